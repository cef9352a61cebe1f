"""A database for tests of the stores."""

from tests.support.postgres import database_url, pool, postgres_server

__all__ = ["database_url", "pool", "postgres_server"]
