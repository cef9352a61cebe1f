"""IndexPage: its window, its pause, and what it reports."""

import asyncio
from typing import Any

from temporalio.client import Client, WorkflowHandle

from graphmill.ids import document_id
from graphmill.index_request import PAUSE, PROGRESS, RESUME
from graphmill.messages import (
    INDEX_PAGE,
    TASK_QUEUE,
    DocumentCounts,
    IndexDocumentResult,
    IndexPageInput,
    PageProgress,
    WaitingDocument,
)
from graphmill.models import CollectionKey, DocumentState
from tests.support.road import RECIPE, Road
from tests.support.waiting import until

NAMES = [f"{number:03}.txt" for number in range(9)]


async def start(
    client: Client, road: Road, collection: str, *, in_flight: int, paused: bool = False
) -> WorkflowHandle[Any, DocumentCounts]:
    road.add(*NAMES)
    page = IndexPageInput(
        CollectionKey("default", collection),
        RECIPE,
        tuple(WaitingDocument(document_id(name), name) for name in NAMES),
        in_flight,
        3,
        paused,
    )
    return await client.start_workflow(
        INDEX_PAGE,
        page,
        id=f"page/default/{collection}/1",
        task_queue=TASK_QUEUE,
        result_type=DocumentCounts,
    )


async def test_never_more_documents_are_in_flight_than_the_window_is_wide(
    client: Client, road: Road, collection: str
) -> None:
    gate = road.hold("000.txt")
    page = await start(client, road, collection, in_flight=3)
    # One slow document holds one place; the others go on beside it.
    await until(lambda: len(road.ended) == len(NAMES) - 1)
    gate.open()
    assert await page.result() == DocumentCounts(done=9)
    assert 2 <= road.most_in_process <= 3


async def test_each_document_counts_as_it_ended(
    client: Client, road: Road, collection: str
) -> None:
    ends = {
        "001.txt": IndexDocumentResult(DocumentState.FAILED, "corrupt: words"),
        "002.txt": IndexDocumentResult(DocumentState.SKIPPED, "no text: words"),
        # Changed while it was read: it waits again, and is no end.
        "003.txt": IndexDocumentResult(DocumentState.UPLOADED, "changed meanwhile"),
    }
    road.process = ends.get
    page = await start(client, road, collection, in_flight=4)
    assert await page.result() == DocumentCounts(done=6, failed=1, skipped=1)


async def test_a_page_that_begins_paused_waits_for_resume(
    client: Client, road: Road, collection: str
) -> None:
    page = await start(client, road, collection, in_flight=4, paused=True)
    await asyncio.sleep(0.3)
    assert await page.query(PROGRESS, result_type=PageProgress) == PageProgress(DocumentCounts(), 0)
    assert not road.ended
    await page.signal(RESUME)
    assert await page.result() == DocumentCounts(done=9)


async def test_a_paused_page_ends_what_is_in_flight_and_starts_nothing(
    client: Client, road: Road, collection: str
) -> None:
    gate = road.hold("process_document")
    page = await start(client, road, collection, in_flight=2)
    await gate.arrived(2)
    await page.signal(PAUSE)
    gate.open()
    await until(lambda: len(road.ended) == 2)
    await asyncio.sleep(0.3)
    progress = await page.query(PROGRESS, result_type=PageProgress)
    assert progress == PageProgress(DocumentCounts(done=2), 0)
    await page.signal(RESUME)
    assert await page.result() == DocumentCounts(done=9)
