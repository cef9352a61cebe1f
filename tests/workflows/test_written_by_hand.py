"""What somebody types wrong is told at once, by every workflow and signal, and nothing hangs."""

import uuid
from datetime import timedelta

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from graphmill.index_request import ADD_DOCUMENTS, PAUSE, PROGRESS, RESUME
from graphmill.messages import TASK_QUEUE
from graphmill.models import RunState
from tests.support.index_run import IndexRun
from tests.support.road import Road
from workers.roles.workflow import WORKFLOWS
from workflows.written_by_hand import PARTS

TYPES = sorted(workflow.__name__ for workflow in WORKFLOWS)
SECONDS = timedelta(seconds=20)


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
    assert set(TYPES) - PARTS == {
        "DeleteDocuments",
        "IndexCollection",
        "IndexFolder",
        "ProjectGraph",
        "TunePrompts",
    }


async def test_a_signal_with_more_than_it_needs_is_the_signal(index: IndexRun, road: Road) -> None:
    """What the SDK would do: fail the run's task again and again, for ever."""
    run = await index.start()
    for name in (PAUSE, RESUME, ADD_DOCUMENTS):
        await run.signal(name, {"really": True})
    assert (await run.query(PROGRESS)) is not None
    ended = await run.result()
    assert ended.state is RunState.COMPLETED
