"""DeleteDocuments on a real Temporal server: all or a plain word, and a run that follows."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError

from graphmill.deletions import (
    DELETE_DOCUMENTS,
    MOST_DOCUMENTS,
    DeletedDocuments,
    DeleteRequest,
    StartedRun,
)
from graphmill.errors import PermanentError, TransientError
from graphmill.ids import document_id
from graphmill.messages import TASK_QUEUE
from graphmill.models import CollectionKey
from tests.support.road import Road

Deletion = WorkflowHandle[Any, DeletedDocuments]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphmill.deletions.BATCH", 2)


async def start(client: Client, given: object, id: str) -> Deletion:
    return await client.start_workflow(
        DELETE_DOCUMENTS, given, id=id, task_queue=TASK_QUEUE, result_type=DeletedDocuments
    )


async def delete(client: Client, collection: str, *ids: UUID) -> Deletion:
    request = DeleteRequest.of(CollectionKey("default", collection), ids)
    return await start(client, request.to_json(), request.workflow_id)


async def cause_of(deletion: Deletion) -> BaseException | None:
    with pytest.raises(WorkflowFailureError) as failure:
        await deletion.result()
    cause = failure.value.cause
    return getattr(cause, "cause", None) or cause


def add(road: Road, count: int) -> list[UUID]:
    names = [f"{number}.txt" for number in range(count)]
    road.add(*names)
    return [document_id(name) for name in names]


@pytest.mark.usefixtures("small_batches")
async def test_documents_go_in_batches_and_a_run_takes_them_out_of_the_graph(
    client: Client, road: Road, collection: str
) -> None:
    ids = add(road, 7)
    deleted = await (await delete(client, collection, *ids[:5])).result()
    run = StartedRun("run", f"index/default/{collection}", joined=False)
    assert deleted == DeletedDocuments(5, run)
    assert road.deleted == [2, 2, 1]
    assert set(road.names) == set(ids[5:])


async def test_one_that_never_was_leaves_all_as_they_were(
    client: Client, road: Road, collection: str
) -> None:
    ids = add(road, 2)
    cause = await cause_of(await delete(client, collection, *ids, never := uuid4()))
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("NotFound", True)
    assert f"no document {never} in collection" in cause.message
    assert (set(road.names), road.deleted, road.runs_started) == (set(ids), [], 0)


async def test_a_batch_whose_answer_was_lost_is_done_again_and_all_are_counted(
    client: Client, road: Road, collection: str
) -> None:
    ids = add(road, 3)
    road.fails["deleted"] = TransientError("the connection is gone")
    deletion = await delete(client, collection, *ids)
    while len(road.deleted) < 2:
        await deletion.describe()
    del road.fails["deleted"]
    assert (await deletion.result()).deleted == 3
    assert not road.names


async def test_a_batch_that_is_done_again_leaves_what_was_uploaded_since(
    client: Client, road: Road, collection: str
) -> None:
    ids = add(road, 3)
    road.fails["deleted"] = TransientError("the connection is gone")
    held = road.hold("deleted")
    deletion = await delete(client, collection, *ids)
    await held.arrived()
    road.add("1.txt")
    held.open()
    while len(road.deleted) < 2:
        await deletion.describe()
    del road.fails["deleted"]
    await deletion.result()
    assert list(road.names.values()) == ["1.txt"]


@pytest.mark.usefixtures("small_batches")
async def test_cancelled_amid_it_the_graph_follows_what_is_deleted(
    client: Client, road: Road, collection: str
) -> None:
    ids = add(road, 6)
    held = road.hold("deleted")
    deletion = await delete(client, collection, *ids)
    await held.arrived()
    held.open()
    held = road.hold("delete_documents")
    await held.arrived()
    await deletion.cancel()
    assert isinstance(await cause_of(deletion), CancelledError)
    held.open()
    assert (road.runs_started, len(road.names)) == (1, 4)


async def test_cancelled_while_the_first_batch_is_at_work_the_run_follows_once_that_has_ended(
    client: Client, road: Road, collection: str
) -> None:
    ids = add(road, 2)
    held = road.hold("deleted")
    deletion = await delete(client, collection, *ids)
    await held.arrived()
    await deletion.cancel()
    await asyncio.sleep(0.5)
    assert (road.deleted, road.runs_started) == ([2], 0)
    held.open()
    assert (await deletion.result()).deleted == 2
    assert road.runs_started == 1


@pytest.mark.usefixtures("small_batches")
async def test_a_batch_that_fails_for_good_leaves_a_run_for_those_before_it(
    client: Client, road: Road, collection: str
) -> None:
    ids = add(road, 4)
    held = road.hold("deleted")
    deletion = await delete(client, collection, *ids)
    await held.arrived()
    road.fails["delete_documents"] = PermanentError("no room on the disk")
    held.open()
    cause = await cause_of(deletion)
    assert isinstance(cause, ApplicationError)
    assert cause.message == "no room on the disk"
    assert (road.deleted, road.runs_started) == ([2], 1)


async def test_what_failed_first_is_told_where_the_run_cannot_be_started_either(
    client: Client, road: Road, collection: str
) -> None:
    ids = add(road, 1)
    road.fails["delete_documents"] = PermanentError("no room on the disk")
    road.fails["start_run"] = PermanentError("there is no collection")
    cause = await cause_of(await delete(client, collection, *ids))
    assert isinstance(cause, ApplicationError)
    assert cause.message == "no room on the disk"
    assert road.attempts["start_run"] == 1


async def test_the_same_asked_for_twice_at_once_is_one(
    client: Client, road: Road, collection: str
) -> None:
    ids = add(road, 2)
    key = CollectionKey("default", collection)
    one, other = DeleteRequest.of(key, ids), DeleteRequest.of(key, ids[::-1])
    assert one.workflow_id == other.workflow_id
    assert one.workflow_id != DeleteRequest.of(key, ids[:1]).workflow_id


ID = str(UUID(int=7))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "must be a JSON object"),
        ({"documents": [ID]}, "lacks the field 'collection'"),
        ({"collection": "{collection}"}, "lacks the field 'documents'"),
        ({"collection": "{collection}", "documents": [ID], "ids": []}, "unknown field ids"),
        ({"collection": "{collection}", "documents": ID}, "expected is a list"),
        ({"collection": "{collection}", "documents": []}, "expected are 1 to 10,000"),
        ({"collection": "{collection}", "documents": ["a.txt"]}, "documents has 'a.txt'"),
        ({"collection": "{collection}", "documents": [7]}, "documents has 7"),
        ({"collection": "{collection}", "documents": [ID] * (MOST_DOCUMENTS + 1)}, "10,001"),
        ({"collection": "other", "documents": [ID]}, "must be 'delete/default/other'"),
        (
            {"collection": "{collection}", "tenant": "other", "documents": [ID]},
            "must be 'delete/other/",
        ),
    ],
)
async def test_bad_input_is_refused_at_once_in_plain_words(
    client: Client, road: Road, collection: str, given: dict[str, Any] | None, words: str
) -> None:
    if given and given.get("collection") == "{collection}":
        given = given | {"collection": collection}
    deletion = await start(client, given, f"delete/default/{collection}/by-hand")
    cause = await cause_of(deletion)
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("InvalidRequest", True)
    assert words in cause.message
    assert not road.deleted


async def test_a_collection_whose_name_begins_alike_is_another_one(
    client: Client, road: Road, collection: str
) -> None:
    ids = add(road, 1)
    given = {"collection": collection, "documents": [str(ids[0])]}
    cause = await cause_of(await start(client, given, f"delete/default/{collection}-2"))
    assert isinstance(cause, ApplicationError)
    assert "the workflow id is" in cause.message
    deletion = await start(client, given, f"delete/default/{collection}")
    assert (await deletion.result()).deleted == 1
