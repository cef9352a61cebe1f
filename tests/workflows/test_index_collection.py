"""IndexCollection on a real Temporal server: what a run promises, whatever is done to it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.common import RetryPolicy, WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError, CancelledError

from graphmill.errors import FailureReason, NotFound, PermanentError, Unavailable
from graphmill.ids import document_id
from graphmill.index_request import (
    ADD_DOCUMENTS,
    INDEX_COLLECTION,
    PAUSE,
    PROGRESS,
    RESUME,
    IndexRequest,
)
from graphmill.llm.budgets import OverBudget
from graphmill.llm.faults import CallRefused
from graphmill.messages import (
    TASK_QUEUE,
    VECTOR_INDEXES,
    DocumentCounts,
    IndexDocumentResult,
    RunProgress,
)
from graphmill.models import DocumentState, Method, Phase, RunState
from graphmill.search_attributes import COLLECTION, STATE, TENANT
from tests.support.index_run import IndexRun
from tests.support.road import Road, working
from tests.support.waiting import until
from workflows import policies

Run = WorkflowHandle[Any, RunProgress]

RUN_ENDS = [
    pytest.param(OverBudget("the budget is used up"), RunState.OVER_BUDGET, id="over-budget"),
    pytest.param(CallRefused("the key is refused"), RunState.FAILED, id="refused"),
]


def numbered(count: int) -> list[str]:
    return [f"{number:03}.txt" for number in range(count)]


async def progress(run: Run) -> RunProgress:
    return await run.query(PROGRESS, result_type=RunProgress)


async def cause_of(run: WorkflowHandle[Any, Any]) -> BaseException | None:
    with pytest.raises(WorkflowFailureError) as failure:
        await run.result()
    cause = failure.value.cause
    return getattr(cause, "cause", None) or cause


async def test_a_run_takes_every_document_then_builds_embeds_and_publishes_one_graph(
    road: Road, index: IndexRun
) -> None:
    road.add(*numbered(7))
    ended = await index.to_end()
    assert ended.state is RunState.COMPLETED
    assert ended.phase is Phase.DONE
    assert ended.documents == DocumentCounts(done=7)
    assert ended.open_pages == 0
    assert road.states == dict.fromkeys(numbered(7), "done")
    assert sorted(road.embedded) == sorted(VECTOR_INDEXES)
    assert road.published == [1]
    phases = list(dict.fromkeys(record.phase for record in road.records))
    # There is nothing to summarise without a model.
    assert phases == [phase for phase in Phase if phase not in (Phase.STARTING, Phase.DESCRIPTIONS)]


@pytest.mark.parametrize("method", Method)
async def test_a_graph_that_stands_is_only_embedded_anew_where_another_model_is_set(
    client: Client, collection: str, road: Road, method: Method
) -> None:
    road.embeddings, road.published_by_another = "vectors-2", 7
    index = IndexRun(client, IndexRequest(collection, method=method))
    run = await index.start()
    assert (await run.result()).state is RunState.COMPLETED
    assert [request.vector_index for request in road.embed_requests] == list(VECTOR_INDEXES)
    assert {
        (request.graph_id, request.model, str(request.run_id)) for request in road.embed_requests
    } == {(7, "vectors-2", run.first_execution_run_id)}
    assert road.published == [7]
    assert road.asked == []


@pytest.mark.parametrize(("error", "state"), RUN_ENDS)
async def test_calls_that_are_paid_for_end_before_a_run_that_can_make_no_more_does(
    error: Exception, state: RunState, road: Road, index: IndexRun
) -> None:
    road.add("one.txt")
    road.fails["cluster_graph"] = error
    embedding = road.hold("embed")
    run = await index.start()
    await embedding.arrived(2)
    await asyncio.sleep(0.5)
    assert not road.recorded(state)
    embedding.open()
    with pytest.raises(WorkflowFailureError):
        await run.result()
    assert len(road.embedded) == 2
    assert road.last_record.state is state


@pytest.mark.parametrize(("error", "state"), RUN_ENDS)
async def test_reports_that_are_asked_for_are_written_before_a_refused_embedding_ends_the_run(
    error: Exception, state: RunState, client: Client, road: Road, collection: str
) -> None:
    index = IndexRun(client, IndexRequest(collection, method=Method.STANDARD))
    road.add("one.txt")
    road.fails["embed"] = error
    embedding, reports = road.hold("embed"), road.hold("write_model_reports")
    run = await index.start()
    await reports.arrived()
    embedding.open()
    await asyncio.sleep(0.5)
    assert not road.recorded(state)
    reports.open()
    await cause_of(run)
    assert road.asked[-1] == "write_model_reports"
    assert not road.published
    assert road.last_record.state is state


async def test_what_waits_for_calls_in_the_air_is_cancelled_at_once(
    road: Road, index: IndexRun
) -> None:
    road.add("one.txt")
    road.fails["cluster_graph"] = CallRefused("the key is refused")
    embedding = road.hold("embed")
    run = await index.start()
    await embedding.arrived(2)
    await asyncio.sleep(0.5)
    await run.cancel()
    async with asyncio.timeout(5):
        assert isinstance(await cause_of(run), CancelledError)
    assert road.embedded == []
    embedding.open()


async def test_a_run_whose_every_step_is_replayed_from_the_start_ends_the_same(
    client: Client, index: IndexRun
) -> None:
    road = Road()
    road.add(*numbered(7))
    async with working(client, road, cached_workflows=0):
        ended = await index.to_end()
    assert ended.documents == DocumentCounts(done=7)


BAD_INPUTS: dict[str, tuple[list[Any], str]] = {
    "none": ([], "input must be a JSON object"),
    "null": ([None], "input must be a JSON object"),
    "list": ([["NAME"]], "input must be a JSON object"),
    "text": (["NAME"], "input must be a JSON object"),
    "empty": ([{}], "lacks the field 'collection'"),
    "misspelt": ([{"colection": "NAME"}], "unknown field colection; known are collection"),
    "extra field": ([{"collection": "NAME", "speed": 3}], "unknown field speed"),
    "number for name": ([{"collection": 7}], "collection name is 7"),
    "null for name": ([{"collection": None}], "collection name is None"),
    "path for name": ([{"collection": "../NAME"}], "collection name is '../NAME'"),
    "tenant": ([{"collection": "NAME", "tenant": "A B"}], "tenant name is 'A B'"),
    "method": ([{"collection": "NAME", "method": "magic"}], "method is 'magic'"),
    "rebuild": ([{"collection": "NAME", "force_rebuild": "yes"}], "force_rebuild is 'yes'"),
    "priority": ([{"collection": "NAME", "priority": 9}], "priority is 9"),
    "budget": ([{"collection": "NAME", "budget_usd": "5"}], "budget_usd is '5'"),
    "truth for priority": ([{"collection": "NAME", "priority": True}], "priority is True"),
    "other collection": ([{"collection": "other"}], "must be 'index/default/other'"),
    "other tenant": ([{"collection": "NAME", "tenant": "b"}], "must be 'index/b/"),
    "second input": ([{"collection": "NAME"}, {"collection": "NAME"}], "one JSON object"),
}


@pytest.mark.parametrize("case", BAD_INPUTS)
async def test_bad_input_is_refused_at_once_in_plain_words(
    case: str, client: Client, road: Road
) -> None:
    inputs, words = BAD_INPUTS[case]
    name = "bad-" + case.replace(" ", "-")
    run = await client.start_workflow(
        INDEX_COLLECTION,
        args=[_named(value, name) for value in inputs],
        id=f"index/default/{name}",
        task_queue=TASK_QUEUE,
        # Refused for good, even where the one who starts it asks for retries.
        retry_policy=RetryPolicy(maximum_attempts=3),
    )
    error = await asyncio.wait_for(cause_of(run), 10)
    assert isinstance(error, ApplicationError)
    assert words in error.message
    assert error.non_retryable
    kinds = [event.event_type async for event in run.fetch_history_events()]
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in kinds
    assert kinds.count(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED) == 1
    assert not road.opened


def _named(value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: name if found == "NAME" else found for key, found in value.items()}  # type: ignore[misc]


async def test_an_input_of_the_collection_alone_is_enough(
    client: Client, road: Road, index: IndexRun
) -> None:
    run = await client.start_workflow(
        INDEX_COLLECTION,
        {"collection": index.request.collection},
        id=index.id,
        task_queue=TASK_QUEUE,
        result_type=RunProgress,
    )
    assert (await run.result()).state is RunState.COMPLETED


async def test_a_collection_that_does_not_exist_ends_the_run_with_the_stores_words(
    road: Road, index: IndexRun
) -> None:
    road.fails["open_run"] = NotFound("collection 'x' of tenant 'default' does not exist")
    run = await index.start()
    assert "does not exist" in str(await cause_of(run))
    assert road.attempts["open_run"] == 1
    assert road.last_record.state is RunState.FAILED
    assert "does not exist" in road.last_record.reason


async def test_a_run_that_nobody_gave_a_method_leaves_it_to_the_worker(
    road: Road, index: IndexRun
) -> None:
    await index.to_end()
    (opened,) = road.opened
    assert opened.request.method is None
    assert opened.request.budget_usd is None


async def test_a_run_over_its_budget_ends_so_and_the_documents_go_on_waiting(
    road: Road, index: IndexRun
) -> None:
    road.add("a.txt", "paid.txt", *numbered(40))
    gate = road.hold("paid.txt")
    road.fails["a.txt"] = OverBudget("the budget of $5.00 is used up")
    run = await index.start()
    await gate.arrived()
    await until(lambda: road.attempts["a.txt"] == 1)
    await asyncio.sleep(0.5)
    assert not road.recorded(RunState.OVER_BUDGET)
    gate.open()
    await cause_of(run)
    assert road.attempts["a.txt"] == 1
    assert road.last_record.state is RunState.OVER_BUDGET
    assert "$5.00 is used up" in road.last_record.reason
    assert not road.published
    # What was in flight was not cut off: it is paid for.
    assert road.states["paid.txt"] == "done"
    assert DocumentState.FAILED not in road.states.values()
    assert document_id("a.txt") in road.waiting
    del road.fails["a.txt"]
    ended = await index.to_end()
    assert ended.state is RunState.COMPLETED
    assert not road.waiting


@pytest.mark.parametrize(("error", "state"), RUN_ENDS)
async def test_a_run_that_can_make_no_more_calls_lets_the_documents_of_its_other_pages_end(
    error: Exception,
    state: RunState,
    road: Road,
    index: IndexRun,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(policies, "PAGE_DOCUMENTS", 1)
    road.add("paid.txt", "a.txt", "later.txt")
    gate = road.hold("paid.txt")
    road.fails["a.txt"] = error
    run = await index.start()
    await gate.arrived()
    await until(lambda: road.attempts["a.txt"] == 1)
    await asyncio.sleep(2)
    assert not road.recorded(state)
    gate.open()
    await cause_of(run)
    assert road.last_record.state is state
    assert road.states == {"paid.txt": "done"}
    assert road.attempts["later.txt"] == 0


async def test_a_run_that_waits_for_the_documents_of_its_other_pages_is_cancelled_at_once(
    road: Road, index: IndexRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "PAGE_DOCUMENTS", 1)
    road.add("paid.txt", "a.txt")
    gate = road.hold("paid.txt")
    road.fails["a.txt"] = CallRefused("the key is refused")
    run = await index.start()
    await gate.arrived()
    await until(lambda: road.attempts["a.txt"] == 1)
    await asyncio.sleep(2)
    await run.cancel()
    async with asyncio.timeout(5):
        await cause_of(run)
    assert road.last_record.reason == "the key is refused"
    assert road.states == {}
    gate.open()


async def test_a_second_start_joins_the_run_under_way(
    client: Client, road: Road, index: IndexRun
) -> None:
    road.add("a.txt")
    gate = road.hold("a.txt")
    first = await index.start()
    await gate.arrived()
    second = await index.start(id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING)
    assert second.result_run_id == first.result_run_id
    gate.open()
    await first.result()
    assert len(road.opened) == 1
    assert road.attempts["a.txt"] == 1


@pytest.mark.parametrize(
    "point", ["last.txt", "merge_graph", "write_reports", "publish_graph", "record_run completed"]
)
async def test_documents_added_while_a_run_works_are_taken_in(
    point: str, road: Road, index: IndexRun
) -> None:
    road.add("first.txt", "last.txt")
    gate = road.hold(point)
    run = await index.start()
    await gate.arrived()
    road.add("late.txt")
    await run.signal(ADD_DOCUMENTS)
    gate.open()
    ended = await run.result()
    assert ended.state is RunState.COMPLETED
    assert ended.documents.done == 3
    assert road.states["late.txt"] == "done"
    assert road.last_record.state is RunState.COMPLETED


@pytest.mark.parametrize(
    ("method", "point"), [(Method.FAST, "merge_graph"), (Method.STANDARD, "resolve_entities")]
)
async def test_documents_that_nobody_told_of_are_read_before_a_graph_without_them_is_published(
    method: Method, point: str, client: Client, collection: str, road: Road
) -> None:
    """What is uploaded takes an old version out of the graph, whether a run was told or not."""
    index = IndexRun(client, IndexRequest(collection, method=method, force_rebuild=True))
    road.add("changed.txt")
    road.to_summarize = 1
    gate = road.hold(point)
    run = await index.start()
    await gate.arrived()
    road.add("changed.txt")
    gate.open()
    assert (await run.result()).documents.done == 2
    assert [merge.afresh for merge in road.merges] == [True, True]
    assert road.published == [2]
    assert road.attempts["cluster_graph"] == 1
    assert road.attempts["summarize_descriptions"] == (method is Method.STANDARD)


async def test_uploads_that_go_on_and_on_do_not_put_off_the_graph_for_ever(
    road: Road, index: IndexRun
) -> None:
    road.add("first.txt")
    gate = road.hold("merge_graph")
    run = await index.start()
    for number in range(1, policies.MOST_FOLDS + 1):
        await gate.arrived()
        road.add(f"{number}.txt")
        before, gate = gate, road.hold("merge_graph")
        before.open()
    assert (await run.result()).documents.done == policies.MOST_FOLDS
    assert road.published == [policies.MOST_FOLDS]


async def test_documents_that_become_visible_late_are_met_on_the_second_look(
    road: Road, index: IndexRun
) -> None:
    road.add("early.txt")
    gate = road.hold("early.txt")
    run = await index.start()
    await gate.arrived()
    # Its position was given before early.txt's, and committed after the run had passed it.
    road.add("late.txt")
    road.waiting[document_id("late.txt")] = 0.5
    gate.open()
    await run.result()
    assert road.states["late.txt"] == "done"


async def test_pause_starts_no_further_document_and_resume_goes_on(
    road: Road, index: IndexRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "IN_FLIGHT_PER_PAGE", 2)
    road.add(*numbered(6))
    gate = road.hold("process_document")
    run = await index.start()
    await gate.arrived(2)
    await run.signal(PAUSE)
    await until(lambda: road.recorded(RunState.PAUSED))
    gate.open()
    await until(lambda: len(road.ended) == 2)
    await asyncio.sleep(0.5)
    assert len(road.ended) == 2
    assert (await progress(run)).state is RunState.PAUSED
    await run.signal(RESUME)
    ended = await run.result()
    assert ended.state is RunState.COMPLETED
    assert ended.documents.done == 6


async def test_pause_between_phases_starts_no_further_phase(road: Road, index: IndexRun) -> None:
    road.add("a.txt")
    gate = road.hold("merge_graph")
    run = await index.start()
    await gate.arrived()
    await run.signal(PAUSE)
    await until(lambda: road.recorded(RunState.PAUSED))
    gate.open()
    await until(lambda: len(road.merges) == 1)
    await asyncio.sleep(0.3)
    assert road.attempts["cluster_graph"] == 0
    await run.signal(RESUME)
    assert (await run.result()).state is RunState.COMPLETED


async def test_pause_that_comes_before_the_run_has_opened_holds(
    road: Road, index: IndexRun
) -> None:
    road.add("a.txt")
    run = await index.start(start_signal=PAUSE)
    await until(lambda: road.recorded(RunState.PAUSED))
    await asyncio.sleep(0.3)
    assert road.attempts["process_document"] == 0
    await run.signal(RESUME)
    assert (await run.result()).documents.done == 1
    assert road.last_record.state is RunState.COMPLETED


async def test_pause_that_comes_while_a_page_waits_for_its_id_holds_for_that_page(
    client: Client, road: Road, index: IndexRun
) -> None:
    holder = await index.start_page(1)
    road.add("a.txt")
    run = await index.start()

    async def waits() -> bool:
        kinds = [event.event_type async for event in run.fetch_history_events()]
        return EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED in kinds

    await until(waits)
    await run.signal(PAUSE)
    await until(lambda: road.recorded(RunState.PAUSED))
    await holder.terminate("by the test")

    async def page_is_open() -> bool:
        page = await client.get_workflow_handle(index.page_workflow_id(1)).describe()
        return page.status is WorkflowExecutionStatus.RUNNING

    await until(page_is_open)
    await asyncio.sleep(0.5)
    assert road.attempts["process_document"] == 0
    await run.signal(RESUME)
    assert (await run.result()).documents.done == 1


async def test_pause_holds_across_continue_as_new(
    client: Client, road: Road, index: IndexRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "PAGES_PER_RUN", 1)
    monkeypatch.setattr(policies, "PAGE_DOCUMENTS", 2)
    road.add(*numbered(4))
    gate = road.hold("process_document")
    run = await index.start()
    await gate.arrived(2)
    await run.signal(PAUSE)
    await until(lambda: road.recorded(RunState.PAUSED))
    gate.open()

    async def went_on() -> bool:
        described = await client.get_workflow_handle(index.id).describe()
        return described.run_id != run.result_run_id

    await until(went_on)
    await asyncio.sleep(0.5)
    assert len(road.ended) == 2
    now = client.get_workflow_handle(index.id)
    assert (await now.query(PROGRESS, result_type=RunProgress)).state is RunState.PAUSED
    await now.signal(RESUME)
    assert (await run.result()).documents.done == 4


@pytest.mark.parametrize("signal", [PAUSE, RESUME])
async def test_a_signal_that_comes_at_the_very_end_does_not_change_how_the_run_ended(
    signal: str, road: Road, index: IndexRun
) -> None:
    road.add("a.txt")
    gate = road.hold("record_run completed")
    run = await index.start()
    await gate.arrived()
    await run.signal(signal)
    await asyncio.sleep(0.3)
    gate.open()
    ended = await run.result()
    assert ended.state is RunState.COMPLETED
    assert road.last_record.state is RunState.COMPLETED


async def test_the_last_word_on_a_run_is_never_overtaken_by_an_earlier_one(
    road: Road, index: IndexRun
) -> None:
    """Pausing and cancelling at once: the slow record of the pause comes before that of the end."""
    road.add("a.txt")
    held = road.hold("a.txt")
    slow = road.hold("record_run paused")
    run = await index.start()
    await held.arrived()
    await run.signal(PAUSE)
    await slow.arrived()
    await run.cancel()
    await asyncio.sleep(0.5)
    slow.open()
    assert isinstance(await cause_of(run), CancelledError)
    await asyncio.sleep(0.3)
    assert road.last_record.state is RunState.CANCELLED
    held.open()


async def test_cancel_reaches_pages_and_documents_and_is_written_down(
    client: Client, road: Road, index: IndexRun
) -> None:
    road.add(*numbered(3))
    gate = road.hold("process_document")
    run = await index.start()
    await gate.arrived(3)
    await run.cancel()
    assert isinstance(await cause_of(run), CancelledError)
    assert road.last_record.state is RunState.CANCELLED
    ids = [index.page_workflow_id(1), *map(index.document_workflow_id, road.names)]
    for id in ids:
        described = await client.get_workflow_handle(id).describe()
        assert described.status is WorkflowExecutionStatus.CANCELED, id
    assert not road.published
    described = await run.describe()
    assert described.typed_search_attributes[STATE] == "cancelled"
    gate.open()


@pytest.mark.parametrize("point", ["next_page", "merge_graph", "cluster_graph", "embed"])
async def test_cancel_in_any_phase_is_written_down_and_a_new_run_completes(
    point: str, road: Road, index: IndexRun
) -> None:
    road.add(*numbered(3))
    gate = road.hold(point)
    run = await index.start()
    await gate.arrived()
    await run.cancel()
    assert isinstance(await cause_of(run), CancelledError)
    assert road.last_record.state is RunState.CANCELLED
    assert not road.published
    gate.open()
    ended = await index.to_end()
    assert ended.state is RunState.COMPLETED
    assert road.states == dict.fromkeys(numbered(3), "done")
    assert len(road.published) == 1


async def test_a_paused_run_can_be_cancelled(road: Road, index: IndexRun) -> None:
    road.add("a.txt")
    run = await index.start(start_signal=PAUSE)
    await until(lambda: road.recorded(RunState.PAUSED))
    await run.cancel()
    assert isinstance(await cause_of(run), CancelledError)
    assert road.last_record.state is RunState.CANCELLED


async def test_a_terminated_document_is_recorded_failed_and_the_run_goes_on(
    client: Client, road: Road, index: IndexRun
) -> None:
    road.add(*numbered(3))
    gate = road.hold("001.txt")
    run = await index.start()
    await gate.arrived()
    victim = index.document_workflow_id(document_id("001.txt"))
    await client.get_workflow_handle(victim).terminate("by the test")
    ended = await run.result()
    gate.open()
    assert ended.state is RunState.COMPLETED_WITH_FAILURES
    assert ended.documents == DocumentCounts(done=2, failed=1)
    state, reason = road.ended["001.txt"]
    assert state is DocumentState.FAILED
    assert reason.startswith(f"{FailureReason.TERMINATED}: ")


async def test_a_terminated_page_is_met_again(client: Client, road: Road, index: IndexRun) -> None:
    road.add(*numbered(5))
    gate = road.hold("process_document")
    run = await index.start()
    await gate.arrived(5)
    await client.get_workflow_handle(index.page_workflow_id(1)).terminate("by the test")
    gate.open()
    ended = await run.result()
    assert ended.state is RunState.COMPLETED
    assert road.states == dict.fromkeys(numbered(5), "done")


async def test_a_terminated_run_can_be_started_again_at_once(road: Road, index: IndexRun) -> None:
    """Its pages and documents may still be ending: they have the ids that the new run will use."""
    road.add(*numbered(5))
    gate = road.hold("process_document")
    run = await index.start()
    await gate.arrived(5)
    await run.terminate("by the test")
    again = await index.start()
    gate.open()
    ended = await again.result()
    assert ended.state is RunState.COMPLETED
    assert road.states == dict.fromkeys(numbered(5), "done")


async def test_a_document_that_another_workflow_reads_is_waited_for(
    client: Client, road: Road, index: IndexRun
) -> None:
    road.add(*numbered(2))
    gate = road.hold("000.txt")
    earlier = await index.start_document("000.txt")
    await gate.arrived()
    run = await index.start()
    await until(lambda: "001.txt" in road.ended)
    gate.open()
    await earlier.result()
    ended = await run.result()
    assert ended.state is RunState.COMPLETED
    assert ended.documents == DocumentCounts(done=2)


async def test_an_activity_that_fails_for_good_fails_only_its_document(
    road: Road, index: IndexRun
) -> None:
    road.add(*numbered(3))
    road.fails["001.txt"] = PermanentError("cannot be done")
    ended = await index.to_end()
    assert ended.state is RunState.COMPLETED_WITH_FAILURES
    assert ended.documents == DocumentCounts(done=2, failed=1)
    assert road.attempts["001.txt"] == 1
    assert road.ended["001.txt"] == (DocumentState.FAILED, "crashed: cannot be done")


async def test_a_surprise_is_tried_five_times_and_then_fails_its_document(
    road: Road, index: IndexRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    _retry_quickly(monkeypatch)
    road.add(*numbered(2))
    road.fails["001.txt"] = RuntimeError("words that may hold a document's text")
    ended = await index.to_end()
    assert ended.documents == DocumentCounts(done=1, failed=1)
    assert road.attempts["001.txt"] == 5
    assert "may hold" not in road.ended["001.txt"][1]
    assert "RuntimeError" in road.ended["001.txt"][1]


async def test_a_server_that_is_down_for_a_while_fails_no_document(
    road: Road, index: IndexRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    _retry_quickly(monkeypatch)
    road.add("a.txt")
    down = 7

    def process(name: str) -> None:
        if road.attempts[name] <= down:
            raise Unavailable("PostgreSQL does not answer")

    road.process = process
    ended = await index.to_end()
    assert ended.documents == DocumentCounts(done=1)
    assert road.attempts["a.txt"] == down + 1


def _retry_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = policies.PROCESS_DOCUMENT | {
        "retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=20))
    }
    monkeypatch.setattr(policies, "PROCESS_DOCUMENT", quick)


async def test_a_graph_that_cannot_be_built_fails_the_run_with_its_reason(
    road: Road, index: IndexRun
) -> None:
    road.add("a.txt")
    road.fails["merge_graph"] = PermanentError("no room on the disk")
    run = await index.start()
    assert "no room on the disk" in str(await cause_of(run))
    assert road.last_record.state is RunState.FAILED
    assert road.last_record.reason == "no room on the disk"
    assert (await run.describe()).typed_search_attributes[STATE] == "failed"


async def test_reports_that_cannot_be_written_fail_the_run_with_their_reason(
    road: Road, index: IndexRun
) -> None:
    road.add("a.txt")
    road.fails["write_reports"] = PermanentError("no room on the disk")
    await cause_of(await index.start())
    assert road.last_record.state is RunState.FAILED
    assert "no room on the disk" in road.last_record.reason


async def test_a_run_goes_on_as_new_with_the_same_run_id_and_loses_no_document(
    client: Client, road: Road, index: IndexRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "PAGES_PER_RUN", 2)
    monkeypatch.setattr(policies, "PAGE_DOCUMENTS", 2)
    road.add(*numbered(13))
    run = await index.start()
    ended = await run.result()
    assert ended.state is RunState.COMPLETED
    assert ended.documents == DocumentCounts(done=13)
    assert {road.attempts[name] for name in numbered(13)} == {1}
    assert str(ended.run_id) == run.result_run_id
    assert [opening.run_id for opening in road.opened] == [ended.run_id]
    assert {record.run_id for record in road.records} == {ended.run_id}
    executions = [
        found.run_id async for found in client.list_workflows(f"WorkflowId = '{index.id}'")
    ]
    assert len(executions) == 4  # 7 pages, 2 in each


async def test_progress_tells_phase_documents_and_what_is_in_flight(
    road: Road, index: IndexRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "PAGE_DOCUMENTS", 3)
    road.add(*numbered(4))
    gate = road.hold("003.txt")
    run = await index.start()
    await gate.arrived()

    async def first_page_ended() -> bool:
        return (await progress(run)).documents.done == 3

    await until(first_page_ended)
    now = await progress(run)
    assert now.phase is Phase.DOCUMENTS
    assert now.state is RunState.RUNNING
    assert now.open_pages == 1
    gate.open()
    assert (await run.result()).documents.done == 4
    assert (await progress(run)).phase is Phase.DONE


async def test_workflows_are_found_by_tenant_collection_and_state(
    client: Client, road: Road, index: IndexRun
) -> None:
    road.add("good.txt", "bad.txt")
    road.process = lambda name: (
        IndexDocumentResult(DocumentState.FAILED, "corrupt: words") if name == "bad.txt" else None
    )
    run = await index.start()
    await run.result()
    attributes = (await run.describe()).typed_search_attributes
    assert attributes[TENANT] == "default"
    assert attributes[COLLECTION] == index.request.collection
    assert attributes[STATE] == "completed_with_failures"

    async def found(query: str) -> set[str]:
        query = f"GraphmillCollection = '{index.request.collection}' AND {query}"
        return {workflow.id async for workflow in client.list_workflows(query)}

    async def all_are_listed() -> bool:
        types = await found("GraphmillTenant = 'default'")
        return len(types) == 5  # collection, page, two documents, communities

    await until(all_are_listed)
    failed = await found("WorkflowType = 'IndexDocument' AND GraphmillState = 'failed'")
    assert failed == {index.document_workflow_id(document_id("bad.txt"))}


async def test_the_web_ui_reads_in_words_what_is_worked_on(
    client: Client, road: Road, index: IndexRun
) -> None:
    road.add("report.pdf")
    await index.to_end()
    document = client.get_workflow_handle(index.document_workflow_id(document_id("report.pdf")))
    page = client.get_workflow_handle(index.page_workflow_id(1))
    communities = client.get_workflow_handle(f"communities/default/{index.request.collection}")
    assert await (await document.describe()).static_summary() == "report.pdf"
    assert await (await page.describe()).static_summary() == (
        f"1 documents of {index.request.collection}"
    )
    assert await (await communities.describe()).static_summary() == "7 entities, 9 relationships"
    assert await _details(client, index.id) == (
        "completed, done by method fast: 1 documents done, 0 failed, 0 skipped in this run"
    )
    assert await _details(client, document.id) == "done, 2 text units"
    assert await _details(client, page.id) == "1 done, 0 failed, 0 skipped of 1"
    assert await _details(client, communities.id) == "4 communities, 3 reports"


async def _details(client: Client, id: str) -> str:
    handle = client.get_workflow_handle(id)
    metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return metadata.current_details


async def test_every_child_has_the_runs_priority_and_its_tenants_fairness_key(
    client: Client, road: Road, index: IndexRun
) -> None:
    road.add("a.txt")
    index.request = type(index.request)(index.request.collection, priority=1)
    await index.to_end()
    for id in (index.page_workflow_id(1), index.document_workflow_id(document_id("a.txt"))):
        described = await client.get_workflow_handle(id).describe()
        priority = described.raw_description.workflow_execution_info.priority
        assert (priority.priority_key, priority.fairness_key) == (1, "default"), id


async def test_force_rebuild_builds_the_graph_afresh_once(road: Road, index: IndexRun) -> None:
    index.request = type(index.request)(index.request.collection, force_rebuild=True)
    road.add("a.txt")
    gate = road.hold("publish_graph")
    run = await index.start()
    await gate.arrived()
    road.add("b.txt")
    await run.signal(ADD_DOCUMENTS)
    gate.open()
    await run.result()
    assert [merge.afresh for merge in road.merges] == [True, False]
