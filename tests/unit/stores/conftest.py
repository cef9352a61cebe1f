"""A database for tests of the stores."""

from tests.support.postgres import database_url, pool, postgres_server, tenant_pool

__all__ = ["database_url", "pool", "postgres_server", "tenant_pool"]
