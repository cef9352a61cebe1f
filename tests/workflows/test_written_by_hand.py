"""What somebody types wrong is told at once, by every workflow and signal, and nothing hangs."""

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from graphmill.index_request import ADD_DOCUMENTS, PAUSE, PROGRESS, RESUME
from graphmill.messages import TASK_QUEUE
from graphmill.models import CollectionKey, RunState
from graphmill.search_attributes import collection_attributes
from tests.support.index_run import IndexRun
from tests.support.road import Road, working
from workers.roles.workflow import WORKFLOWS
from workflows.written_by_hand import PARTS, STARTED_BY_HAND

TYPES = sorted(workflow.__name__ for workflow in WORKFLOWS)
SECONDS = timedelta(seconds=20)
TASK_SECONDS = timedelta(seconds=1)  # what failed is done again after so long


@pytest.mark.parametrize("given", [{}, {"collektion": "letters"}, "letters", 7, None, [1, 2]])
@pytest.mark.parametrize("type", TYPES)
async def test_bad_input_ends_a_workflow_at_once(
    client: Client, road: Road, type: str, given: object
) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await client.execute_workflow(
            type,
            given,
            id=f"by-hand-{uuid.uuid4()}",
            task_queue=TASK_QUEUE,
            execution_timeout=SECONDS,
        )
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError), cause
    assert (cause.type, cause.non_retryable) == ("InvalidRequest", True)
    if type in PARTS:
        assert "start IndexCollection instead" in cause.message
    else:
        assert "collection" in cause.message


@pytest.mark.parametrize("given", [[], [{"collection": "letters"}, 7]])
@pytest.mark.parametrize("type", TYPES)
async def test_no_input_or_two_end_a_workflow_at_once(
    client: Client, road: Road, type: str, given: list[object]
) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await client.execute_workflow(
            type,
            args=given,
            id=f"by-hand-{uuid.uuid4()}",
            task_queue=TASK_QUEUE,
            execution_timeout=SECONDS,
        )
    assert isinstance(failed.value.cause, ApplicationError), failed.value.cause


def test_each_workflow_is_a_part_or_takes_what_people_write() -> None:
    assert set(TYPES) > PARTS
    assert set(TYPES) - PARTS == set(STARTED_BY_HAND)


async def test_a_misspelt_type_ends_at_once_with_those_there_are(
    client: Client, road: Road
) -> None:
    """What the SDK would do: fail its first task again and again, for ever."""
    with pytest.raises(WorkflowFailureError) as failed:
        await client.execute_workflow(
            "IndexColection",
            {"collection": "letters"},
            id=f"by-hand-{uuid.uuid4()}",
            task_queue=TASK_QUEUE,
            execution_timeout=SECONDS,
        )
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError), cause
    assert (cause.type, cause.non_retryable) == ("InvalidRequest", True)
    assert "'IndexColection'" in cause.message
    assert all(type in cause.message for type in STARTED_BY_HAND)


@workflow.defn(name="OfANewerRelease", sandboxed=False)
class OfANewerRelease:
    """As a release after this one may have it, started by itself or as a part of another."""

    @workflow.run
    async def run(self, as_parent: bool) -> str:
        if not as_parent:
            return "done"
        return await workflow.execute_child_workflow(
            OfANewerRelease.run, False, task_queue=TASK_QUEUE, task_timeout=TASK_SECONDS
        )


@pytest.mark.parametrize("as_child", [True, False])
async def test_what_a_newer_release_starts_waits_for_a_worker_that_knows_it(
    client: Client, collection: str, as_child: bool
) -> None:
    """As in a rolling upgrade, where tasks come to workers of before."""
    queue = f"newer-{uuid.uuid4()}"
    async with (
        Worker(client, task_queue=queue, workflows=[OfANewerRelease]),
        working(client, Road()),
    ):
        started = await client.start_workflow(
            OfANewerRelease.run,
            as_child,
            id=f"newer-{uuid.uuid4()}",
            task_queue=queue if as_child else TASK_QUEUE,
            search_attributes=collection_attributes(CollectionKey("default", collection)),
            execution_timeout=3 * SECONDS,
            task_timeout=TASK_SECONDS,
        )
        await task_failed(await child_of(client, started) if as_child else started)
    async with (
        Worker(client, task_queue=queue, workflows=[OfANewerRelease]),
        Worker(client, task_queue=TASK_QUEUE, workflows=[OfANewerRelease]),
    ):
        assert await started.result() == "done"


async def child_of(client: Client, parent: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, Any]:
    async with asyncio.timeout(20):
        while not (children := (await parent.describe()).raw_description.pending_children):
            await asyncio.sleep(0.05)
    return client.get_workflow_handle(children[0].workflow_id)


async def task_failed(handle: WorkflowHandle[Any, Any]) -> None:
    """Until a worker has refused a task of it."""
    async with asyncio.timeout(20):
        while not any(
            event.HasField("workflow_task_failed_event_attributes")
            for event in (await handle.fetch_history()).events
        ):
            await asyncio.sleep(0.05)


async def test_a_signal_with_more_than_it_needs_is_the_signal(index: IndexRun, road: Road) -> None:
    """What the SDK would do: fail the run's task again and again, for ever."""
    run = await index.start()
    for name in (PAUSE, RESUME, ADD_DOCUMENTS):
        await run.signal(name, {"really": True})
    assert (await run.query(PROGRESS)) is not None
    ended = await run.result()
    assert ended.state is RunState.COMPLETED
