"""Every store's suite runs on a real server."""

from tests.support.model_endpoint.fixtures import model, model_process
from tests.support.postgres import database_url, pool, postgres_server

__all__ = ["database_url", "model", "model_process", "pool", "postgres_server"]
