from tests.support.postgres import database_url, postgres_server
from tests.support.traced import provider, traced

__all__ = ["database_url", "postgres_server", "provider", "traced"]
