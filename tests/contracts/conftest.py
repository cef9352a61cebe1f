"""Every store's suite runs on a real server."""

from tests.support.postgres import database_url, pool, postgres_server

__all__ = ["database_url", "pool", "postgres_server"]
