"""The stores that settings name beside PostgreSQL, opened: published graphs are projected into
them."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphmill.projections.ports import Projection
from graphmill.settings import Settings

if TYPE_CHECKING:  # a client is loaded only where its store is set
    from graphmill.stores.neo4j.graph import Neo4jGraph
    from graphmill.stores.qdrant.vectors import QdrantVectors


@dataclass(frozen=True, slots=True)
class ProjectedStores:
    """None: not set."""

    graph: "Neo4jGraph | None" = None
    vectors: "QdrantVectors | None" = None

    @property
    def all(self) -> tuple[Projection, ...]:
        return tuple(one for one in (self.graph, self.vectors) if one is not None)


def has_projected_stores(settings: Settings) -> bool:
    return settings.neo4j_uri is not None or settings.qdrant_url is not None


@asynccontextmanager
async def open_projected_stores(settings: Settings) -> AsyncGenerator[ProjectedStores]:
    """Nothing is connected to before it is needed.

    Raises:
        SettingsError: an address is none.
    """
    async with AsyncExitStack() as stack:
        graph = vectors = None
        if settings.neo4j_uri is not None:
            from graphmill.stores.neo4j.driver import open_driver
            from graphmill.stores.neo4j.graph import Neo4jGraph

            graph = Neo4jGraph(await stack.enter_async_context(open_driver(settings)))
        if settings.qdrant_url is not None:
            from graphmill.stores.qdrant.client import open_client
            from graphmill.stores.qdrant.collections import Storing
            from graphmill.stores.qdrant.vectors import QdrantVectors

            key = settings.qdrant_api_key.get_secret_value()
            vectors = QdrantVectors(
                await stack.enter_async_context(open_client(settings.qdrant_url, key)),
                batch_size=settings.qdrant_batch_size,
                parallel_uploads=settings.qdrant_parallel_uploads,
                storing=Storing(settings.qdrant_quantization, settings.qdrant_on_disk),
            )
        yield ProjectedStores(graph, vectors)
