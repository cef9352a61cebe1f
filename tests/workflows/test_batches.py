"""Runs in batches on a real Temporal server: what is read, asked and collected when."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from graphmill.errors import Unavailable
from graphmill.index_request import ADD_DOCUMENTS, IndexRequest
from graphmill.llm.faults import CallRefused
from graphmill.messages import DocumentCounts
from graphmill.models import DocumentState, Method, RunState
from tests.support.index_run import IndexRun
from tests.support.road import Road
from tests.support.waiting import until
from workflows import policies

ROUND = ["submit", "collect"]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are looked at all the time."""
    monkeypatch.setattr(policies, "BATCH_FIRST_LOOK", timedelta(milliseconds=50))
    monkeypatch.setattr(policies, "BATCH_LONGEST_LOOK", timedelta(milliseconds=50))


@pytest.fixture
async def index(client: Client, collection: str) -> IndexRun:
    return IndexRun(client, IndexRequest(collection, method=Method.STANDARD, batch=True))


def rest(index: IndexRun, run: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, Any]:
    """What goes on with a cancelled run's batches."""
    id = f"cancelled-batches/default/{index.request.collection}/{run.first_execution_run_id}"
    return index.client.get_workflow_handle(id)


async def test_all_documents_are_read_before_a_model_is_asked_and_each_step_goes_in_rounds(
    road: Road, index: IndexRun
) -> None:
    names = ["a.txt", "b.txt", "c.txt"]
    road.add(*names)
    road.to_summarize, road.batch_rounds, road.looks = 3, 2, 2
    ended = await index.to_end()
    assert ended.state is RunState.COMPLETED
    assert ended.documents == DocumentCounts(done=len(names))
    assert road.unread == []
    asked = [
        part
        for step in ("extractions", "summaries", "reports")
        for part in (
            "recover",
            *(f"queue {step}", *ROUND),
            *(f"queue {step}", *ROUND),
            f"queue {step}",
        )
    ]
    assert road.batches == asked
    # Then each step itself, which finds the answers, and asks for what has none.
    assert len(road.extracted) == len(names)
    assert road.asked[2:] == ["summarize_descriptions 0 of 1", "write_model_reports"]


async def test_documents_that_cannot_be_read_are_no_reason_to_ask(
    road: Road, index: IndexRun
) -> None:
    road.batch_rounds = 0
    await index.to_end()
    assert road.batches == ["recover", "queue extractions", "recover", "queue reports"]


async def test_documents_that_arrive_while_a_batch_is_open_go_into_the_next(
    road: Road, index: IndexRun
) -> None:
    road.add("a.txt")
    held = road.hold("collect_batches")
    run = await index.start()
    await held.arrived()
    road.add("b.txt")
    await run.signal(ADD_DOCUMENTS)
    extracting = road.hold("extract_document")
    held.open()
    await extracting.arrived()
    assert road.batches.count("recover") == 2
    assert road.unread == []
    extracting.open()
    assert (await run.result()).documents.done == 2


async def test_a_cancelled_run_cancels_its_batches_and_keeps_what_they_answered(
    road: Road, index: IndexRun
) -> None:
    road.add("a.txt")
    road.looks = 1_000
    run = await index.start()
    await until(lambda: road.attempts["collect_batches"] > 0)
    await run.cancel()
    with pytest.raises(WorkflowFailureError):
        await run.result()
    assert road.batches == ["recover", "queue extractions", "submit", "cancel", "collect"]
    assert road.last_record.state is RunState.CANCELLED
    assert set(road.waiting.values()) == {1}


async def test_a_cancelled_run_ends_before_its_batches_and_what_they_answer_is_kept(
    road: Road, index: IndexRun
) -> None:
    road.add("a.txt")
    road.looks, road.ends_cancelled = 1_000_000, False
    run = await index.start()
    await until(lambda: road.attempts["collect_batches"] > 0)
    await run.cancel()
    with pytest.raises(WorkflowFailureError):
        await run.result()
    assert road.last_record.state is RunState.CANCELLED
    assert road.batches[:4] == ["recover", "queue extractions", "submit", "cancel"]
    assert "collect" not in road.batches
    road.end_batches()
    await rest(index, run).result()
    assert road.batches[-1] == "collect"


async def test_a_cancelled_run_ends_though_its_endpoint_cannot_be_told(
    road: Road, index: IndexRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "BATCH_CANCEL_WITHIN", timedelta(milliseconds=500))
    road.add("a.txt")
    road.looks = 1_000_000
    road.fails["cancel_batches"] = Unavailable("it is down")
    run = await index.start()
    await until(lambda: road.attempts["collect_batches"] > 0)
    await run.cancel()
    with pytest.raises(WorkflowFailureError):
        await run.result()
    assert road.last_record.state is RunState.CANCELLED
    assert "cancel" not in road.batches
    del road.fails["cancel_batches"]
    await rest(index, run).result()
    assert road.batches[-2:] == ["cancel", "collect"]


async def test_a_batch_that_its_endpoint_never_ends_is_cancelled_and_then_given_up(
    road: Road, index: IndexRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "BATCH_CANCEL_AFTER", timedelta(milliseconds=100))
    monkeypatch.setattr(policies, "BATCH_GIVE_UP_AFTER", timedelta(milliseconds=300))
    road.add("a.txt")
    road.looks, road.ends_cancelled = 1_000_000, False
    ended = await index.to_end()
    assert ended.documents == DocumentCounts(done=1)
    assert road.batches[:5] == ["recover", "queue extractions", "submit", "cancel", "give up"]


async def test_an_endpoint_that_refuses_batches_ends_the_run_and_documents_wait(
    road: Road, index: IndexRun
) -> None:
    road.add("a.txt")
    road.fails["submit_batches"] = CallRefused("it has no Batch API; index without --batch")
    with pytest.raises(WorkflowFailureError):
        await index.to_end()
    assert road.last_record.state is RunState.FAILED
    assert road.last_record.reason == "it has no Batch API; index without --batch"
    assert road.states == {}


async def test_a_run_that_does_not_ask_for_it_asks_nothing_in_batches(
    road: Road, index: IndexRun
) -> None:
    road.add("a.txt")
    road.to_summarize = 3
    index.request = replace(index.request, batch=False)
    await index.to_end()
    assert road.states == {"a.txt": DocumentState.DONE}
    assert road.batches == []
