from tests.support.postgres import database_url, postgres_server
from tests.support.traced import traced

__all__ = ["database_url", "postgres_server", "traced"]
