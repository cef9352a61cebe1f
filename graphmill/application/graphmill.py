"""Everything that can be asked, in one place."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from graphmill.application.api_keys import ApiKeys
from graphmill.application.deletions import Deletions
from graphmill.application.documents import Collections, Documents
from graphmill.application.entities import Entities
from graphmill.application.exports import Exports
from graphmill.application.graphs import Graphs
from graphmill.application.health import Health
from graphmill.application.idempotency import Idempotency
from graphmill.application.pools import Pools
from graphmill.application.projections import Projections
from graphmill.application.prompts import Prompts
from graphmill.application.run_workflows import RunHandle
from graphmill.application.runs import Runs
from graphmill.application.schedules import Schedules
from graphmill.application.search import Search
from graphmill.errors import Unavailable
from graphmill.fleet_figures import FleetFigures
from graphmill.model_figures import ModelFigures
from graphmill.models import CollectionKey
from graphmill.projections.standing import ProjectionFigures
from graphmill.standard.decisions import Decision


@dataclass(frozen=True, slots=True)
class Graphmill:
    """What the CLI's commands and the API's routes call."""

    keys: ApiKeys
    collections: Collections
    documents: Documents
    deletions: Deletions
    entities: Entities
    prompts: Prompts
    runs: Runs
    schedules: Schedules
    search: Search
    graphs: Graphs
    idempotency: Idempotency
    exports: Exports
    projections: Projections
    health: Health
    pools: Pools
    model_figures: Callable[[], Awaitable[ModelFigures]]
    fleet_figures: Callable[[], Awaitable[FleetFigures]]
    projection_figures: Callable[[], Awaitable[tuple[ProjectionFigures, ...]]]

    async def delete_documents(self, key: CollectionKey, ids: Sequence[UUID]) -> RunHandle:
        """Forget documents, and start or join the run that takes them out of the graph. Raises as
        Deletions.delete does."""
        return await self.deletions.delete(key, ids)

    async def prune(self, key: CollectionKey, names: Sequence[str]) -> None:
        """Forget those of these documents that exist; the caller starts the run that takes them out
        of the graph."""
        await self.deletions.prune(key, names)

    async def decide_entities(
        self, key: CollectionKey, title: str, other: str, *, same: bool, reason: str = ""
    ) -> tuple[Decision, RunHandle]:
        """Keep what a person says of two titles, and start or join the run that makes it so.

        Raises:
            InvalidRequest: the titles are one, or none; the collection is read by method fast.
            NotFound: there is no such collection, or its graph has no such title.
            Unavailable: says so where it is kept and only the run could not start.
        """
        verdict = await self.entities.decide(key, title, other, same=same, reason=reason)
        return verdict, await self._change_graph(key, "this is kept")

    async def undecide_entities(
        self, key: CollectionKey, title: str, other: str
    ) -> tuple[tuple[str, str], RunHandle]:
        """Forget what a person said of two titles, and start or join the run that makes it so.

        Raises:
            InvalidRequest: the titles are one, or none.
            NotFound: nobody said anything of them.
            Unavailable: says so where it is forgotten and only the run could not start.
        """
        pair = await self.entities.undecide(key, title, other)
        return pair, await self._change_graph(key, "this is forgotten")

    async def _change_graph(self, key: CollectionKey, done: str) -> RunHandle:
        try:
            return await self.runs.start_as_before(key)
        except Unavailable as error:
            raise Unavailable(
                f"{done}, but the graph stays as it was until the next run: {error}"
            ) from error

    async def delete_collection(self, key: CollectionKey) -> None:
        """End the collection's run, then delete it with its documents and graph.

        Raises:
            NotFound: there is no such collection.
            Unavailable: its run does not end; or says so where it is deleted and only other stores
                still hold it.
        """
        await self.collections.show(key)
        await self.runs.cancel_collection(key)
        await self.schedules.forget(key)
        await self.projections.expect_deletion(key)
        await self.collections.delete(key)
        await self.projections.follow_deletion(key)
