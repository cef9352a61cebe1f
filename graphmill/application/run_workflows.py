"""Runs as Temporal has them: workflows that are started, found, told and looked at.

RPCError passes through everything here: who calls tells it as an outage
(graphmill.application.outages).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeGuard
from uuid import UUID

from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
)
from temporalio.common import Priority, WorkflowIDConflictPolicy
from temporalio.exceptions import CancelledError, FailureError
from temporalio.service import RPCError, RPCStatusCode

from graphmill.errors import PermanentError, Unavailable
from graphmill.index_request import (
    ADD_DOCUMENTS,
    INDEX_COLLECTION,
    IndexRequest,
    index_workflow_id,
)
from graphmill.messages import TASK_QUEUE
from graphmill.models import CollectionKey
from graphmill.search_attributes import collection_attributes

_RPC_TIMEOUT = timedelta(seconds=10)
# In a run's memo: for which request with an Idempotency-Key it was started.
_CLAIM = "graphmill-claim"


class RunEnded(PermanentError):
    """A run that has ended cannot be paused, resumed or cancelled."""


@dataclass(frozen=True, slots=True)
class RunHandle:
    """`run_id` is the first execution's: it stays the same when a run continues as new.

    `joined`: the run was under way already and takes the new documents in.
    """

    run_id: str
    workflow_id: str
    collection: str
    tenant: str
    joined: bool

    @property
    def ended(self) -> RunEnded:
        return RunEnded(f"run {self.run_id} of {self.collection!r} has ended")


class RunWorkflows:
    """`client` is None where only PostgreSQL is needed; what needs Temporal then says so.
    `weights`: of tenants, whose share is not that of one."""

    def __init__(self, client: Client | None, weights: Mapping[str, float]) -> None:
        self._given_client = client
        self._weights = weights

    @property
    def reachable(self) -> bool:
        """Whether there is a Temporal to ask."""
        return self._given_client is not None

    async def start(self, request: IndexRequest, claim: UUID | None = None) -> RunHandle:
        """Start a collection's run, or tell the one under way to look for documents again. By its
        claim, which is none's but one request's, `find_claimed` finds it."""
        key = request.key
        workflow_id = index_workflow_id(key)
        before = await self._describe(workflow_id)
        await self._client.start_workflow(
            INDEX_COLLECTION,
            request.to_json(),
            id=workflow_id,
            task_queue=TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            # Signal with start: a run under way gets the signal, so nothing falls between its last
            # look for documents and its end.
            start_signal=ADD_DOCUMENTS,
            static_summary=f"index {key.name} ({key.tenant})",
            static_details=_details(request),
            # What this workflow starts has the same, unless it says otherwise.
            priority=Priority(
                priority_key=request.priority,
                fairness_key=key.tenant,
                fairness_weight=self._weights.get(key.tenant),
            ),
            search_attributes=collection_attributes(key),
            memo=None if claim is None else {_CLAIM: str(claim)},
            rpc_timeout=_RPC_TIMEOUT,
        )
        run_id = _first_run_id(await self._describe_existing(workflow_id))
        joined = before is not None and _first_run_id(before) == run_id
        return RunHandle(run_id, workflow_id, key.name, key.tenant, joined)

    async def find_open(self, key: CollectionKey) -> RunHandle | None:
        """The collection's run that is under way, though no worker may have written its row yet."""
        workflow_id = index_workflow_id(key)
        described = await self._describe(workflow_id)
        if not _is_open(described):
            return None
        return RunHandle(_first_run_id(described), workflow_id, key.name, key.tenant, joined=True)

    async def find_claimed(self, key: CollectionKey, claim: UUID) -> RunHandle | None:
        """The collection's latest run, ended or not, where it was started with this claim."""
        workflow_id = index_workflow_id(key)
        described = await self._describe(workflow_id)
        if described is None or await described.memo_value(_CLAIM, None) != str(claim):
            return None
        return RunHandle(_first_run_id(described), workflow_id, key.name, key.tenant, joined=False)

    async def find_starting(self, tenant: str, run_id: str) -> RunHandle | None:
        """A run that Temporal has and that no worker has opened yet."""
        try:
            query = f"RunId = '{UUID(run_id)}' AND WorkflowType = '{INDEX_COLLECTION}'"
        except ValueError:
            return None
        async for found in self._client.list_workflows(query, rpc_timeout=_RPC_TIMEOUT):
            prefix = f"index/{tenant}/"
            if found.id.startswith(prefix):
                return RunHandle(
                    found.run_id, found.id, found.id.removeprefix(prefix), tenant, joined=False
                )
        return None

    async def is_open(self, run: RunHandle) -> bool:
        described = await self._describe(run.workflow_id)
        return _is_open(described) and _first_run_id(described) == run.run_id

    async def signal(self, run: RunHandle, signal: str) -> None:
        """
        Raises:
            RunEnded: it has ended.
        """
        await self._refuse_ended(run)
        handle = self._client.get_workflow_handle(run.workflow_id)
        try:
            await handle.signal(signal, rpc_timeout=_RPC_TIMEOUT)
        except RPCError as error:
            raise _ended_if_not_found(error, run) from error

    async def cancel(self, run: RunHandle) -> None:
        """
        Raises:
            RunEnded: it has ended.
        """
        await self._refuse_ended(run)
        handle = self._client.get_workflow_handle(
            run.workflow_id, first_execution_run_id=run.run_id
        )
        try:
            await handle.cancel(rpc_timeout=_RPC_TIMEOUT)
        except RPCError as error:
            raise _ended_if_not_found(error, run) from error

    async def end_without_word(self, run: RunHandle) -> str | None:
        """Why Temporal holds a run for ended, or None while it is under way."""
        described = await self._describe(run.workflow_id)
        if described is None:
            return "Temporal does not know this run any more; index again to go on"
        if _first_run_id(described) != run.run_id:
            return "a later run of the collection has taken its place"
        match described.status:
            case WorkflowExecutionStatus.TERMINATED:
                return "terminated from outside; index again to go on"
            case WorkflowExecutionStatus.TIMED_OUT:
                return "it took longer than its execution timeout; index again to go on"
            case WorkflowExecutionStatus.CANCELED:
                return "cancelled before it could write so; index again to go on"
            case WorkflowExecutionStatus.FAILED:
                return await self._failure(described)
            case _:
                return None

    @property
    def _client(self) -> Client:
        if self._given_client is None:
            raise Unavailable("this needs Temporal, which does not run; start it: graphmill up")
        return self._given_client

    async def _refuse_ended(self, run: RunHandle) -> None:
        # Temporal takes a cancel of what has ended without a word, and signals to a later run.
        if not await self.is_open(run):
            raise run.ended

    async def _describe(self, workflow_id: str) -> WorkflowExecutionDescription | None:
        try:
            return await self._describe_existing(workflow_id)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND or "namespace" in error.message.lower():
                raise
            return None

    async def _describe_existing(self, workflow_id: str) -> WorkflowExecutionDescription:
        handle = self._client.get_workflow_handle(workflow_id)
        return await handle.describe(rpc_timeout=_RPC_TIMEOUT)

    async def _failure(self, described: WorkflowExecutionDescription) -> str:
        handle = self._client.get_workflow_handle(described.id, run_id=described.run_id)
        try:
            await handle.result(rpc_timeout=_RPC_TIMEOUT)
        except WorkflowFailureError as error:
            return _innermost(error.cause)
        return "it failed without a reason"


def _details(request: IndexRequest) -> str:
    """What was asked for, for people to read in the Web UI."""
    method = request.method or "standard where a model endpoint is set, else fast"
    budget = "" if request.budget_usd is None else f", budget ${request.budget_usd:,g}"
    again = ", everything again" if request.force_rebuild else ""
    batch = ", in batches" if request.batch else ""
    return f"method {method}, priority {request.priority}{budget}{batch}{again}"


def _is_open(
    described: WorkflowExecutionDescription | None,
) -> TypeGuard[WorkflowExecutionDescription]:
    return described is not None and described.status is WorkflowExecutionStatus.RUNNING


def _first_run_id(described: WorkflowExecutionDescription) -> str:
    info = described.raw_description.workflow_execution_info
    return info.first_run_id or info.execution.run_id


def _innermost(error: BaseException) -> str:
    while isinstance(error, FailureError) and error.cause is not None:
        error = error.cause
    if isinstance(error, CancelledError):
        return "cancelled"
    return error.message if isinstance(error, FailureError) else str(error)


def _ended_if_not_found(error: RPCError, run: RunHandle) -> Exception:
    return run.ended if error.status is RPCStatusCode.NOT_FOUND else error
