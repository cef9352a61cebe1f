"""Method standard on a real Temporal server: where a model is asked, and what ends a run."""

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError, FailureError

from graphmill.index_request import ADD_DOCUMENTS, IndexRequest
from graphmill.llm.faults import CallRefused
from graphmill.messages import DocumentCounts, IndexDocumentResult
from graphmill.models import DocumentState, Method, Phase, RunState
from tests.support.index_run import IndexRun
from tests.support.road import Road, working
from workflows import policies


@pytest.fixture
async def index(client: Client, collection: str) -> IndexRun:
    return IndexRun(client, IndexRequest(collection, method=Method.STANDARD))


def innermost(error: BaseException) -> BaseException:
    while isinstance(error, FailureError) and error.cause is not None:
        error = error.cause
    return error


async def test_documents_wait_for_a_model_and_the_graph_takes_each_of_its_steps(
    road: Road, index: IndexRun
) -> None:
    road.add("a.txt", "b.txt")
    road.to_summarize = 2 * policies.ITEMS_PER_SHARD
    run = await index.start()
    ended = await run.result()
    assert ended.state is RunState.COMPLETED
    assert ended.documents == DocumentCounts(done=2)
    # On whose account models are asked, and how.
    assert {str(input.run_id) for input in road.extracted} == {run.first_execution_run_id}
    assert {input.recipe.extraction for input in road.extracted} == {"extraction"}
    resolved, folded, *summarized, reported = road.asked
    assert (resolved, folded) == ("resolve_entities", "fold_graph")
    assert sorted(summarized) == [f"summarize_descriptions {shard} of 2" for shard in range(2)]
    assert reported == "write_model_reports"
    assert Phase.DESCRIPTIONS in {record.phase for record in road.records}
    assert road.published == [1]


async def test_a_graph_that_lacks_what_no_model_gave_is_made_anew_once_in_a_run(
    road: Road, index: IndexRun
) -> None:
    road.add("a.txt")
    road.model_gaps = True
    publishing = road.hold("publish_graph")
    run = await index.start()
    await publishing.arrived()
    road.add("b.txt")
    await run.signal(ADD_DOCUMENTS)
    publishing.open()
    assert (await run.result()).state is RunState.COMPLETED
    assert [merge.afresh for merge in road.merges] == [True, False]


async def test_nothing_is_asked_where_no_entity_has_several_descriptions(
    road: Road, index: IndexRun
) -> None:
    road.add("a.txt")
    await index.to_end()
    assert road.asked == ["resolve_entities", "fold_graph", "write_model_reports"]


async def test_a_document_of_which_some_text_units_failed_counts_as_partial(
    road: Road, index: IndexRun
) -> None:
    road.add("a.txt", "b.txt")
    partial = IndexDocumentResult(DocumentState.PARTIAL, "model: 1 of 2 text units", 2)
    road.extract = lambda name: partial if name == "b.txt" else None
    ended = await index.to_end()
    assert ended.state is RunState.COMPLETED_WITH_FAILURES
    assert ended.documents == DocumentCounts(done=1, partial=1)


async def test_an_endpoint_that_refuses_every_call_ends_the_run_and_documents_wait(
    road: Road, index: IndexRun
) -> None:
    """To go on would fail each of the documents, for a key that somebody has to set."""
    names = [f"{number:03}.txt" for number in range(policies.PAGE_DOCUMENTS + 20)]
    road.add(*names)
    for name in names:
        road.fails[f"extract {name}"] = CallRefused("the key is refused; check OPENAI_API_KEY")
    with pytest.raises(WorkflowFailureError) as failure:
        await index.to_end()
    cause = innermost(failure.value.cause)
    assert isinstance(cause, ApplicationError)
    assert cause.message == "the key is refused; check OPENAI_API_KEY"
    assert road.last_record.state is RunState.FAILED
    assert road.last_record.reason == "the key is refused; check OPENAI_API_KEY"
    assert road.states == {}
    assert len(road.waiting) == len(names)


async def test_a_run_whose_every_step_is_replayed_from_the_start_ends_the_same(
    client: Client, index: IndexRun
) -> None:
    road = Road()
    road.add("a.txt", "b.txt", "c.txt")
    road.to_summarize = 3
    async with working(client, road, cached_workflows=0):
        ended = await index.to_end()
    assert ended.documents == DocumentCounts(done=3)
