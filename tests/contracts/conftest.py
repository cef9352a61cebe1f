"""Every store's suite runs on a real server."""

from tests.support.model_endpoint.fixtures import model, model_process
from tests.support.neo4j import driver, graph, neo4j
from tests.support.postgres import database_url, pool, postgres_server, tenant_pool

__all__ = [
    "database_url",
    "driver",
    "graph",
    "model",
    "model_process",
    "neo4j",
    "pool",
    "postgres_server",
    "tenant_pool",
]
