"""Activities that delete documents."""

from collections.abc import Callable
from datetime import datetime

from temporalio import activity
from temporalio.client import Client

from activities.heartbeats import heartbeating
from graphmill.deletions import (
    DeletionStore,
    DocumentIds,
    StartedRun,
    StartsRuns,
)
from graphmill.missing import no_document
from graphmill.models import CollectionKey


class DeletionActivities:
    """Queue: store."""

    def __init__(self, store: DeletionStore, runs: Callable[[Client], StartsRuns]) -> None:
        """`runs`: over the worker's own client of Temporal."""
        self._store = store
        self._runs = runs

    @activity.defn
    async def check_documents(self, asked: DocumentIds) -> datetime | None:
        """When they were looked for. None: by a worker of a release before.

        Raises:
            NotFound: one of them does not exist.
        """
        # First: what is uploaded while they are looked for stays.
        now = await self._store.clock()
        missing = await self._store.missing(asked.key, asked.documents)
        if missing:
            raise no_document(asked.key, missing[0])
        return now

    @activity.defn
    async def delete_documents(self, asked: DocumentIds) -> None:
        """All of them in one transaction; those that are gone already, by a try before this one or
        by others, are no error. Those that were uploaded again since stay."""
        async with heartbeating():
            await self._store.delete(asked.key, asked.documents, asked.uploaded_until)

    @activity.defn
    async def start_run(self, key: CollectionKey) -> StartedRun:
        """Start or join the run that takes what was deleted out of the graph."""
        run = await self._runs(activity.client()).start_as_before(key)
        return StartedRun(run.run_id, run.workflow_id, run.joined)
