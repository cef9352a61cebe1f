"""Activities that bring other stores up to what a collection shows to queries."""

from collections.abc import Sequence
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeats import heartbeating
from graphmill.errors import NotFound, SettingsError, Unavailable
from graphmill.models import CollectionKey
from graphmill.projections.messages import ProjectedToStore, ProjectToStore
from graphmill.projections.ports import OpenSource, Projection
from graphmill.projections.standing import ProjectionStandings
from graphmill.projections.syncing import sync


class ProjectionActivities:
    """Queue: projection."""

    def __init__(
        self,
        open_source: OpenSource,
        projections: Sequence[Projection],
        standings: ProjectionStandings,
    ) -> None:
        self._open_source = open_source
        self._projections = {one.name: one for one in projections}
        self._standings = standings

    @activity.defn
    async def expect_projections(self, key: CollectionKey) -> tuple[str, ...]:
        """Which stores this worker's settings name; from now on a collection is told to be behind
        in them until they hold it."""
        stores = tuple(self._projections)
        try:
            async with self._open_source(key):
                await self._standings.expect(key, stores)
        except NotFound:
            pass  # the stores that it was in are to let go of it, and of nothing else
        return stores

    @activity.defn
    async def project_to_store(self, asked: ProjectToStore) -> ProjectedToStore:
        """Done again, it goes on from what the store holds. Of a collection that is gone, nothing
        stays there."""
        key, store = asked.key, asked.store
        target = self._projections.get(store)
        if target is None:
            raise SettingsError(f"{store} is not set for this worker, and was when this began")
        try:
            async with heartbeating():
                await target.prepare()
                return await self._project(key, target, afresh=asked.afresh)
        except Unavailable as error:
            await self._standings.note_failed(key, store, str(error))
            raise ApplicationError(
                str(error),
                type="Unavailable",
                next_retry_delay=_until_next(activity.info().attempt),
            ) from None

    async def _project(
        self, key: CollectionKey, target: Projection, *, afresh: bool
    ) -> ProjectedToStore:
        try:
            async with self._open_source(key) as source:
                if source is None:
                    await target.clear(key)
                    await self._standings.note_synced(key, target.name, "")
                    return ProjectedToStore(target.name, "")
                synced = await sync(key, source, target, afresh=afresh)
                await self._standings.note_synced(key, target.name, source.version)
        except NotFound:
            await target.clear(key)
            await self._standings.forget(key, target.name)
            return ProjectedToStore(target.name, "")
        return ProjectedToStore(target.name, source.version, synced.written, synced.removed)


_LONGEST = timedelta(seconds=15)


def _until_next(attempt: int) -> timedelta:
    """A store may be away for days; nothing waits for it but its readers, who read PostgreSQL."""
    return min(timedelta(seconds=2 ** min(attempt - 1, 10)), _LONGEST)
