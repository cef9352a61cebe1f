"""A cancellation that was not raised where it came is raised between two steps."""

import asyncio
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import CancelledError
from temporalio.worker import Worker

from workflows.cancelled import raise_if_cancelled


@workflow.defn
class TwoSteps:
    """Of which the first is given what it waits for instead of the cancellation."""

    def __init__(self) -> None:
        self._waits = True

    @workflow.run
    async def run(self) -> str:
        raise_if_cancelled()
        try:
            await workflow.wait_condition(lambda: not self._waits)
        except asyncio.CancelledError:
            self._waits = False
        raise_if_cancelled()
        return "as if nobody had cancelled it"

    @workflow.signal
    def go_on(self) -> None:
        self._waits = False


@pytest.mark.parametrize("cancelled", [True, False])
async def test_it_ends_what_would_go_on_and_nothing_else(client: Client, cancelled: bool) -> None:
    queue = str(uuid4())
    # None in memory: each step is a replay, which has to go the same way.
    async with Worker(client, task_queue=queue, workflows=[TwoSteps], max_cached_workflows=0):
        run = await client.start_workflow(TwoSteps.run, id=queue, task_queue=queue)
        if not cancelled:
            await run.signal(TwoSteps.go_on)
            assert await run.result() == "as if nobody had cancelled it"
            return
        await run.cancel()
        with pytest.raises(WorkflowFailureError) as failure:
            await run.result()
        assert isinstance(failure.value.cause, CancelledError)
        assert (await run.describe()).status is WorkflowExecutionStatus.CANCELED
