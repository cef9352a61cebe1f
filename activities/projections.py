"""Activities that bring other stores up to what a collection shows to queries."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any
from uuid import UUID

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeats import heartbeating
from graphmill.errors import GraphmillError, NotFound, Unavailable
from graphmill.models import CollectionKey
from graphmill.projections.messages import ProjectedToStore, ProjectToStore
from graphmill.projections.ports import OpenSource, Projection
from graphmill.projections.records import Kind
from graphmill.projections.standing import ProjectionStandings
from graphmill.projections.syncing import Afresh, Progress, sync

Alone = Callable[[str], AbstractAsyncContextManager[bool]]
"""Whether nobody else does what has this name; nobody does for as long as the block takes."""


class ProjectionActivities:
    """Queue: projection."""

    def __init__(
        self,
        open_source: OpenSource,
        projections: Sequence[Projection],
        standings: ProjectionStandings,
        alone: Alone,
    ) -> None:
        self._open_source = open_source
        self._projections = {one.name: one for one in projections}
        self._standings = standings
        self._alone = alone

    @activity.defn
    async def expect_projections(self, key: CollectionKey) -> tuple[str, ...]:
        """Which stores this worker's settings name; from now on a collection is told to be behind
        in them until they hold it."""
        stores = tuple(self._projections)
        try:
            async with self._open_source(key):
                pass
        except NotFound:
            return stores  # those that it was in are to let go of it, and of nothing else
        await self._standings.expect(key, stores)
        return stores

    @activity.defn
    async def project_to_store(self, asked: ProjectToStore) -> ProjectedToStore:
        """Done again, it goes on from what the store holds. Of a collection that is gone, nothing
        stays there."""
        key, store = asked.key, asked.store
        writing = _Writing(activity.info().heartbeat_details)
        try:
            target = self._projections.get(store)
            if target is None:
                # Another worker may have it: settings are changed worker by worker.
                raise Unavailable(f"{store} is not set for the worker that was to write it")
            async with heartbeating(writing.progress):
                await target.prepare()
                return await self._project(key, target, writing.afresh if asked.afresh else None)
        except Unavailable as error:
            await self._standings.note_failed(key, store, str(error))
            raise ApplicationError(
                str(error),
                type="Unavailable",
                next_retry_delay=_until_next(activity.info().attempt),
            ) from None
        except Exception as error:
            words = str(error) if isinstance(error, GraphmillError) else type(error).__name__
            await self._standings.note_failed(key, store, words)
            raise

    async def _project(
        self, key: CollectionKey, target: Projection, afresh: Afresh | None
    ) -> ProjectedToStore:
        store = target.name
        # A worker that stood still may write on for some seconds after its try was given to another
        # one. The lock comes before the look at the graph: who has it sees what is published now.
        async with self._alone(f"project {key.tenant}/{key.name} {store}") as alone:
            if not alone:
                raise Unavailable(f"another worker still writes {store}")
            version = ""
            try:
                async with self._open_source(key) as source:
                    if source is not None:
                        version = source.version
                        synced = await sync(key, source, target, afresh=afresh)
                        done = ProjectedToStore(store, version, synced.written, synced.removed)
                    else:
                        await target.clear(key)
                        done = ProjectedToStore(store, "")
            except NotFound:
                await target.clear(key)
                await self._standings.forget(key, store)
                return ProjectedToStore(store, "")
            # Not in the block above: with few connections, all of them might wait for one more.
            await self._standings.note_synced(key, store, version)
        return done


class _Writing:
    """How far all has been written, over the tries of an activity."""

    def __init__(self, details: Sequence[Any]) -> None:
        """`details`: of the last try's heartbeat."""
        self._progress: Progress | None = None
        for told in details:
            self._progress = Progress(Kind(told["kind"]), UUID(told["last"]))
        self.afresh = Afresh(self._progress, self._tell)

    def _tell(self, progress: Progress) -> None:
        self._progress = progress

    def progress(self) -> Mapping[str, object] | None:
        if self._progress is None:
            return None
        return {"kind": str(self._progress.kind), "last": str(self._progress.last)}


_LONGEST = timedelta(seconds=15)


def _until_next(attempt: int) -> timedelta:
    """A store may be away for days; nothing waits for it but its readers, who read PostgreSQL."""
    return min(timedelta(seconds=2 ** min(attempt - 1, 10)), _LONGEST)
