"""Where a run stands, as it tells `status` (PostgreSQL), the Web UI and the progress query."""

import asyncio
from uuid import UUID

from temporalio import workflow

from workflows.cancelled import raise_if_cancelled

with workflow.unsafe.imports_passed_through():
    from activities.runs import RunActivities
    from graphmill.messages import DocumentCounts, RunRecord
    from graphmill.models import Method, Phase, RunState
    from workflows.policies import RECORD_RUN
    from workflows.visibility import show_state


class RunStanding:
    """`method` None: nobody knows yet. `documents`: those that ended in this run."""

    def __init__(self) -> None:
        self.state = RunState.RUNNING
        self.phase = Phase.STARTING
        self.paused = False
        self.method: Method | None = None
        self.documents = DocumentCounts()
        self._recording = asyncio.Lock()

    @property
    def run_id(self) -> UUID:
        """Stays the same however often the workflow goes on as new."""
        return UUID(workflow.info().first_execution_run_id)

    async def pausable(self) -> None:
        """Where a run stops that is paused, and one ends that is cancelled."""
        await workflow.wait_condition(lambda: not self.paused)
        raise_if_cancelled()

    async def enter(self, phase: Phase) -> None:
        await self.record(self._under_way, phase)

    async def record(self, state: RunState, phase: Phase, reason: str = "") -> None:
        """Say where the run is.

        In a task of its own: who is cancelled here goes on at once, but what is said next is
        written after this, never before.
        """
        await asyncio.shield(asyncio.create_task(self._write(state, phase, reason)))

    async def record_pause(self) -> None:
        """Nothing where the run has said how it ended: that stays its last word."""
        async with self._recording:
            if self.state in (RunState.RUNNING, RunState.PAUSED):
                await self._write_in_turn(self._under_way, self.phase, "")

    def describe(self) -> None:
        ended = self.documents
        by = f" by method {self.method}" if self.method else ""
        workflow.set_current_details(
            f"{self.state}, {self.phase}{by}: {ended.done} documents done, {ended.failed} failed,"
            f" {ended.skipped} skipped"
            + (f", {ended.partial} partial" if ended.partial else "")
            + " in this run"
        )

    @property
    def _under_way(self) -> RunState:
        return RunState.PAUSED if self.paused else RunState.RUNNING

    async def _write(self, state: RunState, phase: Phase, reason: str) -> None:
        async with self._recording:
            await self._write_in_turn(state, phase, reason)

    async def _write_in_turn(self, state: RunState, phase: Phase, reason: str) -> None:
        if state is not self.state or phase is Phase.DOCUMENTS:
            show_state(state)
        self.state, self.phase = state, phase
        self.describe()
        recorded = await workflow.execute_activity_method(
            RunActivities.record_run,
            RunRecord(self.run_id, state, phase, reason),
            summary=f"{state}, {phase}",
            **RECORD_RUN,
        )
        if recorded.state is not state:  # completed, but documents stand failed
            self.state = recorded.state
            show_state(recorded.state)
            self.describe()
