"""Schedules: which folders, and how often; Temporal keeps the time."""

import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.common import Priority
from temporalio.exceptions import FailureError
from temporalio.service import RPCError, RPCStatusCode

from graphmill.application.outages import tells_outages
from graphmill.errors import NotFound, Unavailable
from graphmill.folder_schedules import (
    INDEX_FOLDER,
    FolderRequest,
    FolderSchedule,
    folder_workflow_id,
    schedule_id,
)
from graphmill.messages import TASK_QUEUE
from graphmill.models import CollectionKey
from graphmill.search_attributes import collection_attributes
from graphmill.stores.postgres.folder_schedules import PostgresFolderSchedules

T = TypeVar("T")

_RPC_TIMEOUT = timedelta(seconds=10)
_REASON_CHARACTERS = 300
# What Temporal's SDK and its command write where nobody gave a reason.
_NO_REASON = ("Paused via Python SDK", "(no reason provided)")
_STATES = {status: status.name.lower() for status in WorkflowExecutionStatus} | {
    WorkflowExecutionStatus.CANCELED: "cancelled",
    WorkflowExecutionStatus.TIMED_OUT: "timed out",
}


@dataclass(frozen=True, slots=True)
class ScheduleStanding:
    """`next_at` and `last_at` are None where there is no such time; `note` says why it is paused,
    where somebody has said so. `known`: Temporal has it. `last_state`: of the workflow that was
    started last ("running", "completed", "failed", "cancelled", "terminated", "timed out"; "":
    there was none, or Temporal has forgotten it), and `last_reason` why it failed. That workflow
    uploads and starts a run; how the run ends is told by the run."""

    schedule: FolderSchedule
    known: bool
    paused: bool = False
    note: str = ""
    last_at: datetime | None = None
    last_state: str = ""
    last_reason: str = ""
    next_at: datetime | None = None


class Schedules:
    def __init__(self, client: Client | None, schedules: PostgresFolderSchedules) -> None:
        self._given_client = client
        self._schedules = schedules

    @tells_outages
    async def set(self, schedule: FolderSchedule) -> None:
        """Make it, or put it in the place of the one that the collection has; the first time is at
        once, where that one is not paused. The collection comes to be with it.

        Raises:
            Unavailable: Temporal or PostgreSQL does not answer.
        """
        client = self._client
        await self._schedules.save(schedule)
        wanted = _temporal_schedule(schedule)
        try:
            await client.create_schedule(
                schedule_id(schedule.key),
                wanted,
                trigger_immediately=True,
                search_attributes=collection_attributes(schedule.key),
                rpc_timeout=_RPC_TIMEOUT,
            )
        except ScheduleAlreadyRunningError:
            handle = client.get_schedule_handle(schedule_id(schedule.key))

            def change(given: ScheduleUpdateInput) -> ScheduleUpdate:
                wanted.state = given.description.schedule.state  # paused as it was
                return ScheduleUpdate(schedule=wanted)

            await handle.update(change, rpc_timeout=_RPC_TIMEOUT)
            if not wanted.state.paused:
                # One under way may have looked into the folders of before: not skipped for it, but
                # done after it.
                await handle.trigger(
                    overlap=ScheduleOverlapPolicy.BUFFER_ONE, rpc_timeout=_RPC_TIMEOUT
                )

    @tells_outages
    async def list(self, tenant: str) -> tuple[ScheduleStanding, ...]:
        """In the order of their collections' names."""
        return tuple(
            [await self._standing(schedule) for schedule in await self._schedules.list(tenant)]
        )

    @tells_outages
    async def standing(self, key: CollectionKey) -> ScheduleStanding:
        """
        Raises:
            NotFound: the collection has no schedule.
        """
        return await self._standing(await self._load(key))

    @tells_outages
    async def pause(self, key: CollectionKey, note: str = "") -> None:
        """Nothing is started any more; what is under way goes on.

        Raises:
            NotFound: the collection has no schedule.
        """
        handle = await self._handle(key)
        await handle.pause(note=note or None, rpc_timeout=_RPC_TIMEOUT)

    @tells_outages
    async def resume(self, key: CollectionKey) -> None:
        """
        Raises:
            NotFound: the collection has no schedule.
        """
        handle = await self._handle(key)
        await handle.unpause(rpc_timeout=_RPC_TIMEOUT)

    @tells_outages
    async def delete(self, key: CollectionKey) -> None:
        """Its documents stay.

        Raises:
            NotFound: the collection has no schedule.
        """
        # In Temporal too where there is no row: its collection may have gone as it was set.
        handle = self._client.get_schedule_handle(schedule_id(key))
        await _if_there(lambda: handle.delete(rpc_timeout=_RPC_TIMEOUT))
        await self._load(key)
        await self._schedules.delete(key)

    @tells_outages
    async def forget(self, key: CollectionKey) -> None:
        """Where the collection is about to go; one without a schedule is no error."""
        if self._given_client is None:
            return
        handle = self._given_client.get_schedule_handle(schedule_id(key))
        await _if_there(lambda: handle.delete(rpc_timeout=_RPC_TIMEOUT))

    async def _handle(self, key: CollectionKey) -> ScheduleHandle:
        await self._load(key)
        return self._client.get_schedule_handle(schedule_id(key))

    async def _load(self, key: CollectionKey) -> FolderSchedule:
        try:
            return await self._schedules.load(key)
        except NotFound as error:
            # Most likely misspelt: who looks for one does not want to make it.
            raise NotFound(
                f"collection {key.name!r} (tenant {key.tenant!r}) has no schedule;"
                " `graphmill schedules list` shows those there are"
            ) from error

    async def _standing(self, schedule: FolderSchedule) -> ScheduleStanding:
        handle = self._client.get_schedule_handle(schedule_id(schedule.key))
        described = await _if_there(lambda: handle.describe(rpc_timeout=_RPC_TIMEOUT))
        if described is None:
            return ScheduleStanding(schedule, known=False)
        last_state, last_reason = await self._came_of(described)
        return ScheduleStanding(
            schedule,
            known=True,
            paused=described.schedule.state.paused,
            note=_note(described.schedule.state),
            last_at=_last(described),
            last_state=last_state,
            last_reason=last_reason,
            next_at=next(iter(described.info.next_action_times), None),
        )

    async def _came_of(self, described: ScheduleDescription) -> tuple[str, str]:
        """State and reason of what was started last: two questions to Temporal at most."""
        actions = described.info.recent_actions
        started = actions[-1].action if actions else None
        if not isinstance(started, ScheduleActionExecutionStartWorkflow):
            return "", ""
        handle = self._client.get_workflow_handle(
            started.workflow_id, run_id=started.first_execution_run_id
        )
        workflow = await _if_there(lambda: handle.describe(rpc_timeout=_RPC_TIMEOUT))
        if workflow is None or workflow.status is None:
            return "", ""
        failed = workflow.status is WorkflowExecutionStatus.FAILED
        return _STATES[workflow.status], await _reason(handle) if failed else ""

    @property
    def _client(self) -> Client:
        if self._given_client is None:
            raise Unavailable("this needs Temporal, which does not run; start it: graphmill up")
        return self._given_client


def _temporal_schedule(schedule: FolderSchedule) -> Schedule:
    key = schedule.key
    return Schedule(
        action=ScheduleActionStartWorkflow(
            INDEX_FOLDER,
            FolderRequest(key).to_json(),
            # Temporal puts the time behind it.
            id=f"{folder_workflow_id(key)}/",
            task_queue=TASK_QUEUE,
            static_summary=f"what changed in the folders of {key.name} ({key.tenant})",
            typed_search_attributes=collection_attributes(key),
            priority=Priority(priority_key=schedule.request.priority, fairness_key=key.tenant),
        ),
        spec=ScheduleSpec(
            intervals=[ScheduleIntervalSpec(every=schedule.every, offset=_offset(schedule))]
        ),
        policy=SchedulePolicy(
            # The one before still looks for what changed: it is enough.
            overlap=ScheduleOverlapPolicy.SKIP,
            # What was missed while the server was away is made good by one.
            catchup_window=schedule.every,
        ),
        state=ScheduleState(),
    )


def _offset(schedule: FolderSchedule) -> timedelta:
    """Its own: all that come every day would come at midnight."""
    name = schedule_id(schedule.key).encode()
    minutes = int(schedule.every.total_seconds()) // 60
    return timedelta(minutes=zlib.crc32(name) % minutes)


def _note(state: ScheduleState) -> str:
    """Why it is paused; what stands there of one that is not is why it went on."""
    return (state.note or "") if state.paused and state.note not in _NO_REASON else ""


def _last(described: ScheduleDescription) -> datetime | None:
    actions = described.info.recent_actions
    return actions[-1].started_at if actions else None


async def _reason(failed: WorkflowHandle[Any, Any]) -> str:
    try:
        await _if_there(lambda: failed.result(rpc_timeout=_RPC_TIMEOUT))
    except WorkflowFailureError as error:
        cause = error.cause
        while isinstance(cause, FailureError) and cause.cause is not None:
            cause = cause.cause
        words = cause.message if isinstance(cause, FailureError) else str(cause)
        line = " ".join(words.split())
        # It may hold many paths, or a long one.
        return line if len(line) <= _REASON_CHARACTERS else line[: _REASON_CHARACTERS - 3] + "..."
    return ""


async def _if_there(do: Callable[[], Awaitable[T]]) -> T | None:
    """None where Temporal has no such schedule."""
    try:
        return await do()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND or "namespace" in error.message.lower():
            raise
        return None
