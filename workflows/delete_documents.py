"""DeleteDocuments: documents are forgotten in batches, and a run takes them out of the graph.

Its id is delete/TENANT/COLLECTION or begins so: several may go on at once, one batch after the
other. Whatever dies meanwhile, all of the documents go, and the run follows.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.exceptions import is_cancelled_exception
from temporalio.workflow import ActivityCancellationType

with workflow.unsafe.imports_passed_through():
    from activities.deletions import DeletionActivities
    from graphmill.deletions import (
        BATCH,
        DELETE_DOCUMENTS,
        DeletedDocuments,
        DeleteRequest,
        DocumentIds,
        StartedRun,
        delete_workflow_id,
    )
    from graphmill.models import CollectionKey
    from workflows.cancelled import raise_if_cancelled
    from workflows.own_id import check_own_id_or_below
    from workflows.policies import CHECK_DOCUMENTS, DELETE_BATCH, START_RUN
    from workflows.visibility import show_collection
    from workflows.written_by_hand import read_request


@workflow.defn(name=DELETE_DOCUMENTS)
class DeleteDocuments:
    def __init__(self) -> None:
        self._deleted = 0
        self._deleting = False

    @workflow.run
    async def run(self, *inputs: Any) -> DeletedDocuments:
        """One input: the JSON of a DeleteRequest, for the reasons of IndexCollection."""
        request = _read_input(inputs)
        key = request.key
        show_collection(key)
        # Before the first is deleted: a misspelt id leaves all as it was.
        asked_at = await workflow.execute_activity_method(
            DeletionActivities.check_documents,
            DocumentIds(key, request.documents),
            summary=f"{len(request.documents)} documents of {key.name}",
            **CHECK_DOCUMENTS,
        )
        follows = workflow.patched("a-run-follows-however-it-ends")
        try:
            await self._delete(request, asked_at, to_its_end=follows)
        except (Exception, asyncio.CancelledError) as error:
            if self._deleting if follows else self._deleted and is_cancelled_exception(error):
                # Whatever keeps the run from starting, what came first is what is told.
                with contextlib.suppress(Exception, asyncio.CancelledError):
                    await _start_run(key)
            raise
        return DeletedDocuments(self._deleted, await _start_run(key))

    async def _delete(
        self, request: DeleteRequest, asked_at: datetime | None, *, to_its_end: bool
    ) -> None:
        """`to_its_end`: a batch that is cancelled is waited for. It may be done all the same, and
        the run that follows must see what is gone."""
        for start in range(0, len(request.documents), BATCH):
            raise_if_cancelled()
            batch = request.documents[start : start + BATCH]
            self._deleting = True
            await workflow.execute_activity_method(
                DeletionActivities.delete_documents,
                DocumentIds(request.key, batch, asked_at),
                summary=f"{len(batch)} documents",
                cancellation_type=(
                    ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
                    if to_its_end
                    else ActivityCancellationType.TRY_CANCEL
                ),
                **DELETE_BATCH,
            )
            self._deleted += len(batch)
            workflow.set_current_details(
                f"{self._deleted} of {len(request.documents)} documents deleted"
            )


async def _start_run(key: CollectionKey) -> StartedRun:
    return await workflow.execute_activity_method(
        DeletionActivities.start_run, key, summary=f"run of {key.name}", **START_RUN
    )


def _read_input(inputs: Sequence[Any]) -> DeleteRequest:
    request = read_request(inputs, DeleteRequest.from_json)
    check_own_id_or_below(delete_workflow_id(request.key))
    return request
