"""Which priority and fairness key every task of a run has, as a worker is given it."""

from dataclasses import replace

import pytest
from temporalio.common import Priority

from graphmill.messages import DocumentCounts
from graphmill.models import Method
from tests.support.index_run import IndexRun
from tests.support.road import Road
from workflows import policies

NAMES = ("large.pdf", "letter.md", "note.txt")
SIZES = {"large.pdf": 50_000_000, "letter.md": 90_000, "note.txt": 900}


@pytest.mark.parametrize("batch", [False, True], ids=["directly", "in-batches"])
async def test_all_activities_of_a_run_have_its_priority_and_its_tenants_fairness(
    road: Road, index: IndexRun, batch: bool
) -> None:
    """Whoever starts them: the run itself, its pages, its documents, and what builds the graph."""
    road.add(*NAMES)
    road.to_summarize = 1
    index.request = replace(index.request, method=Method.STANDARD, batch=batch)
    run = Priority(priority_key=4, fairness_key="default", fairness_weight=2.0)
    index.request = replace(index.request, priority=4)
    await (await index.start(priority=run)).result()
    steps = {"open_run", "record_run completed", "next_page", "fold_graph", "resolve_entities"}
    steps |= {"cluster_graph", "write_model_reports", "summarize_descriptions", "embed"}
    steps |= {"publish_graph", *NAMES, *(f"extract {name}" for name in NAMES)}
    if batch:
        steps |= {"recover_batches", "queue_extractions", "submit_batches", "collect_batches"}
    assert steps <= road.priorities.keys()
    assert set(road.priorities.values()) == {run}


async def test_a_small_document_goes_levels_before_its_run(road: Road, index: IndexRun) -> None:
    road.add(*NAMES)
    road.sizes, road.small = SIZES, (100_000, 1_000)
    await index.to_end()
    levels = {name: road.priorities[name].priority_key for name in NAMES}
    assert levels == {"large.pdf": 3, "letter.md": 2, "note.txt": 1}


async def test_none_goes_before_the_first_level(road: Road, index: IndexRun) -> None:
    road.add(*NAMES)
    road.sizes, road.small = SIZES, (100_000, 50_000, 1_000)
    index.request = replace(index.request, priority=2)
    await index.to_end()
    levels = {name: road.priorities[name].priority_key for name in NAMES}
    assert levels == {"large.pdf": 2, "letter.md": 1, "note.txt": 1}


async def test_only_the_first_documents_of_a_run_go_before_it(
    road: Road, index: IndexRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "PAGE_DOCUMENTS", 2)
    names = [f"{number}.txt" for number in range(6)]
    road.add(*names)
    road.small, road.small_documents = (1,), 4
    assert (await index.to_end()).documents == DocumentCounts(done=6)
    assert [road.priorities[name].priority_key for name in names] == [2, 2, 2, 2, 3, 3]


async def test_of_a_page_the_small_documents_are_begun_first(
    road: Road, index: IndexRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "IN_FLIGHT_PER_PAGE", 1)
    road.add(*NAMES)
    road.sizes = SIZES
    await index.to_end()
    assert list(road.ended) == ["note.txt", "letter.md", "large.pdf"]
