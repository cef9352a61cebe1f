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


@dataclass(frozen=True, slots=True)
class ProjectedStores:
    """None: not set."""

    graph: "Neo4jGraph | None" = None

    @property
    def all(self) -> tuple[Projection, ...]:
        return tuple(one for one in (self.graph,) if one is not None)


def has_projected_stores(settings: Settings) -> bool:
    return settings.neo4j_uri is not None


@asynccontextmanager
async def open_projected_stores(settings: Settings) -> AsyncGenerator[ProjectedStores]:
    """Nothing is connected to before it is needed.

    Raises:
        SettingsError: an address is none.
    """
    async with AsyncExitStack() as stack:
        graph = None
        if settings.neo4j_uri is not None:
            from graphmill.stores.neo4j.driver import open_driver
            from graphmill.stores.neo4j.graph import Neo4jGraph

            graph = Neo4jGraph(await stack.enter_async_context(open_driver(settings)))
        yield ProjectedStores(graph)
