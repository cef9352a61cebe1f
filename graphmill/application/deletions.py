"""Documents out: by the workflow DeleteDocuments, and those that `index --prune` forgets."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import Priority, WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError, FailureError

from graphmill.application.outages import tells_outages
from graphmill.application.run_workflows import RunHandle
from graphmill.deletions import (
    BATCH,
    DELETE_DOCUMENTS,
    DeletedDocuments,
    DeleteRequest,
    DeletionStore,
)
from graphmill.errors import NotFound, Unavailable
from graphmill.ids import document_id
from graphmill.messages import TASK_QUEUE
from graphmill.missing import no_document
from graphmill.models import CollectionKey
from graphmill.search_attributes import collection_attributes

_RPC_TIMEOUT = timedelta(seconds=10)
# Thousands take a second or two; longer where no worker runs, or an upload is under way.
_WAIT_SECONDS = 60.0


class Deletions:
    """`client` is None where only PostgreSQL is needed."""

    def __init__(self, client: Client | None, store: DeletionStore) -> None:
        self._client = client
        self._store = store

    async def delete(self, key: CollectionKey, ids: Sequence[UUID]) -> RunHandle:
        """Forget documents, whatever dies meanwhile, and start or join the run that takes them out
        of the graph.

        Raises:
            InvalidRequest: they are none, or too many.
            NotFound: one of them does not exist; then none is deleted.
            Unavailable: nothing is deleted; or it says that it is under way.
        """
        request = DeleteRequest.of(key, ids)
        await self._refuse_missing(request)
        handle = await self._start(request)
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                deleted = await self._result(handle)
        except (TimeoutError, Unavailable) as error:
            raise Unavailable(
                f"the documents are being deleted by the workflow {handle.id}, which has not ended"
                " yet; `graphmill doctor` tells whether workers run"
            ) from error
        except WorkflowFailureError as failure:
            raise _plain(failure) from failure
        run = deleted.run
        return RunHandle(run.run_id, run.workflow_id, key.name, key.tenant, run.joined)

    async def prune(self, key: CollectionKey, names: Sequence[str]) -> None:
        """Forget those of these documents that exist, batch by batch; the caller starts the run
        that takes them out of the graph. Ended in between, the same again forgets the rest."""
        await self.forget(key, [document_id(name) for name in names])

    async def forget(self, key: CollectionKey, ids: Sequence[UUID]) -> None:
        """As `prune`, by their ids."""
        for start in range(0, len(ids), BATCH):
            await self._delete(key, ids[start : start + BATCH])

    @tells_outages
    async def _delete(self, key: CollectionKey, ids: Sequence[UUID]) -> None:
        await self._store.delete(key, ids)

    @tells_outages
    async def _refuse_missing(self, request: DeleteRequest) -> None:
        missing = await self._store.missing(request.key, request.documents)
        if missing:
            raise no_document(request.key, missing[0])

    @tells_outages
    async def _result(self, handle: WorkflowHandle[object, DeletedDocuments]) -> DeletedDocuments:
        return await handle.result()

    async def _start(self, request: DeleteRequest) -> WorkflowHandle[object, DeletedDocuments]:
        try:
            return await self._start_told(request)
        except Unavailable as error:
            raise Unavailable(f"nothing is deleted: {error}") from error

    @tells_outages
    async def _start_told(self, request: DeleteRequest) -> WorkflowHandle[object, DeletedDocuments]:
        if self._client is None:
            raise Unavailable("this needs Temporal, which does not run; start it: graphmill up")
        key = request.key
        return await self._client.start_workflow(
            DELETE_DOCUMENTS,
            request.to_json(),
            id=request.workflow_id,
            task_queue=TASK_QUEUE,
            result_type=DeletedDocuments,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"delete {len(request.documents)} documents of {key.name}",
            priority=Priority(fairness_key=key.tenant),
            search_attributes=collection_attributes(key),
            rpc_timeout=_RPC_TIMEOUT,
        )


def _plain(failure: WorkflowFailureError) -> Exception:
    """What an activity raised, as it raised it, where callers know it."""
    error: BaseException = failure
    while isinstance(error, FailureError | WorkflowFailureError) and error.cause is not None:
        error = error.cause
    if isinstance(error, ApplicationError) and error.type == NotFound.__name__:
        return NotFound(error.message)
    words = error.message if isinstance(error, FailureError) else str(error)
    return Unavailable(f"the documents were not all deleted: {words}")
