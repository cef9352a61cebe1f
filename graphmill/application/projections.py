"""Stores that hold published graphs too: written again, and compared with PostgreSQL."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio.client import Client, WorkflowFailureError
from temporalio.common import Priority, WorkflowIDConflictPolicy

from graphmill.application.outages import tells_outages
from graphmill.errors import NotFound, Unavailable
from graphmill.messages import TASK_QUEUE
from graphmill.models import CollectionKey
from graphmill.projections.checking import StoreCheck, check
from graphmill.projections.messages import (
    PROJECT,
    PROJECT_GRAPH,
    ProjectedToStore,
    ProjectRequest,
    project_workflow_id,
)
from graphmill.projections.ports import OpenSource, Projection
from graphmill.search_attributes import collection_attributes
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.projection_standings import PostgresProjectionStandings

_RPC_TIMEOUT = timedelta(seconds=10)
# Deleting a large collection takes some minutes; then it is said that it is gone.
_DELETION_SECONDS = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class CollectionCheck:
    """`dangling`: by what points, how many things in PostgreSQL point to what is not there;
    `stores`: each beside PostgreSQL; `away`: why those that do not answer could not be looked
    at."""

    published: bool
    dangling: Mapping[str, int] = field(default_factory=dict[str, int])
    stores: tuple[StoreCheck, ...] = ()
    away: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def ok(self) -> bool:
        return not self.dangling and not self.away and all(store.ok for store in self.stores)


class Projections:
    """`stores` opens those that are set, at the first call. `client` is None where only PostgreSQL
    is needed."""

    def __init__(
        self,
        client: Client | None,
        catalog: PostgresCatalog,
        standings: PostgresProjectionStandings,
        open_source: OpenSource,
        count_dangling: Callable[[int], Awaitable[dict[str, int]]],
        stores: Callable[[], Awaitable[Sequence[Projection]]],
        *,
        stores_set: bool,
    ) -> None:
        self._client = client
        self._catalog = catalog
        self._standings = standings
        self._open_source = open_source
        self._count_dangling = count_dangling
        self._stores = stores
        self.stores_set = stores_set

    @tells_outages
    async def rebuild(self, key: CollectionKey) -> str:
        """Have every store that is set write the published graph again, all of it, while queries go
        on; returns the id of the workflow that does so. Of a collection that is gone, what is left
        of it goes.

        Raises:
            NotFound: there is no such collection, and nothing left of one.
        """
        try:
            await self._catalog.show_collection(key)
        except NotFound:
            if not await self._standings.is_held(key):
                raise
        return await self._start(key, afresh=True)

    @tells_outages
    async def expect_deletion(self, key: CollectionKey) -> None:
        """A collection is about to go: the stores that hold it are looked at soon, though whoever
        calls this may not live to say that it is gone."""
        if await self._standings.is_held(key):
            await self._start(key, afresh=False, delay=_DELETION_SECONDS)

    @tells_outages
    async def follow_deletion(self, key: CollectionKey) -> None:
        """Have the stores let go of a collection that is gone.

        Raises:
            Unavailable: says how to have it done later.
        """
        if not await self._standings.is_held(key):
            return
        try:
            await self._start(key, afresh=False)
        except Unavailable as error:
            raise Unavailable(
                f"{key.name!r} is deleted, but other stores still hold its graph; `graphmill"
                f" rebuild {key.name}` has them let go of it: {error}"
            ) from error

    @tells_outages
    async def wait(self, workflow_id: str) -> tuple[ProjectedToStore, ...]:
        """Until every store holds what is published.

        Raises:
            Unavailable: the workflow was ended before.
        """
        assert self._client is not None
        handle = self._client.get_workflow_handle(
            workflow_id, result_type=tuple[ProjectedToStore, ...]
        )
        try:
            return await handle.result()
        except WorkflowFailureError as error:
            raise Unavailable(f"{workflow_id} ended early ({error.cause})") from error

    @tells_outages
    async def check(self, key: CollectionKey) -> CollectionCheck:
        """Compare the published graph with every store that is set, record by record.

        Raises:
            NotFound: there is no such collection.
        """
        stores = await self._stores()
        async with self._open_source(key) as source:
            if source is None:
                return CollectionCheck(published=False)
            dangling = await self._count_dangling(source.graph_id)
            checked: list[StoreCheck] = []
            away: dict[str, str] = {}
            for store in stores:
                try:
                    checked.append(await check(key, source, store))
                except Unavailable as error:
                    away[store.name] = str(error)
        return CollectionCheck(True, dangling, tuple(checked), away)

    @tells_outages
    async def _start(
        self, key: CollectionKey, *, afresh: bool, delay: timedelta | None = None
    ) -> str:
        """`delay`: not before; a later call without one ends it."""
        if self._client is None:
            raise Unavailable("Temporal is needed for this, and it is not started")
        workflow_id = project_workflow_id(key)
        await self._client.start_workflow(
            PROJECT_GRAPH,
            ProjectRequest(key, afresh).to_json(),
            id=workflow_id,
            task_queue=TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            # One that is under way gets the signal; another one looks once more, and finds nothing.
            start_signal=None if delay else PROJECT,
            start_signal_args=[] if delay else [afresh],
            start_delay=delay,
            static_summary=f"project {key.name} ({key.tenant})",
            priority=Priority(fairness_key=key.tenant),
            search_attributes=collection_attributes(key),
            rpc_timeout=_RPC_TIMEOUT,
        )
        return workflow_id
