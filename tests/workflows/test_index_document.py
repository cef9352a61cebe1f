"""IndexDocument: however its activity ends, the document ends with a state and a reason."""

from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

from graphmill.errors import PermanentError
from graphmill.ids import document_id
from graphmill.messages import (
    INDEX_DOCUMENT,
    TASK_QUEUE,
    IndexDocumentInput,
    IndexDocumentResult,
)
from graphmill.models import CollectionKey, DocumentState
from graphmill.search_attributes import STATE
from tests.support.road import RECIPE, Road

ENDS = (
    IndexDocumentResult(DocumentState.DONE, text_units=2, entities=5),
    IndexDocumentResult(DocumentState.FAILED, "needs-password: take the password off"),
    IndexDocumentResult(DocumentState.SKIPPED, "no text: nothing to read in this file"),
)


async def start(
    client: Client, road: Road, collection: str
) -> WorkflowHandle[Any, IndexDocumentResult]:
    road.add("a.pdf")
    id = document_id("a.pdf")
    return await client.start_workflow(
        INDEX_DOCUMENT,
        IndexDocumentInput(CollectionKey("default", collection), RECIPE, id),
        id=f"document/default/{collection}/{id}",
        task_queue=TASK_QUEUE,
        result_type=IndexDocumentResult,
    )


@pytest.mark.parametrize("end", ENDS, ids=lambda end: str(end.state))
async def test_how_the_document_ended_is_its_result(
    end: IndexDocumentResult, client: Client, road: Road, collection: str
) -> None:
    road.process = lambda _: end
    document = await start(client, road, collection)
    assert await document.result() == end


async def test_only_documents_that_did_not_end_well_are_marked_for_the_search(
    client: Client, road: Road, collection: str
) -> None:
    """An upsert for each of millions of good ones would cost more than it tells."""
    document = await start(client, road, collection)
    await document.result()
    assert STATE not in (await document.describe()).typed_search_attributes

    road.process = lambda _: ENDS[1]
    document = await start(client, road, collection)
    await document.result()
    assert (await document.describe()).typed_search_attributes[STATE] == "failed"


async def test_an_activity_that_fails_for_good_ends_the_document_failed(
    client: Client, road: Road, collection: str
) -> None:
    road.fails["a.pdf"] = PermanentError("cannot be done")
    document = await start(client, road, collection)
    result = await document.result()
    assert result == IndexDocumentResult(DocumentState.FAILED, "crashed: cannot be done")
    assert road.ended["a.pdf"] == (DocumentState.FAILED, "crashed: cannot be done")
