"""IndexFolder on a real Temporal server: what changed goes up, and a run only where there is
something to do."""

from dataclasses import replace

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from graphmill.deletions import StartedRun
from graphmill.errors import PermanentError, TransientError
from graphmill.folder_schedules import INDEX_FOLDER, IndexedFolder, folder_workflow_id
from graphmill.messages import TASK_QUEUE
from graphmill.models import CollectionKey
from tests.support.road import Road


async def start(client: Client, given: object, id: str) -> WorkflowHandle[object, IndexedFolder]:
    return await client.start_workflow(
        INDEX_FOLDER, given, id=id, task_queue=TASK_QUEUE, result_type=IndexedFolder
    )


async def index(client: Client, collection: str, word: str = "") -> IndexedFolder:
    id = folder_workflow_id(CollectionKey("default", collection)) + word
    return await (await start(client, {"collection": collection}, id)).result()


async def test_what_changed_goes_up_and_a_run_follows(
    client: Client, road: Road, collection: str
) -> None:
    run = StartedRun("run", f"index/default/{collection}", joined=False)
    # As a schedule starts it: with the time behind its id.
    indexed = await index(client, collection, "/-2026-11-30T00:00:00Z")
    assert indexed == IndexedFolder(road.folder, run)


async def test_where_nothing_changed_no_run_is_started(
    client: Client, road: Road, collection: str
) -> None:
    road.folder = replace(road.folder, new=0, waits=False)
    assert await index(client, collection) == IndexedFolder(road.folder, None)
    assert road.runs_started == 0


async def test_what_went_up_before_a_crash_still_gets_its_run(
    client: Client, road: Road, collection: str
) -> None:
    road.folder = replace(road.folder, new=0, waits=True)
    assert (await index(client, collection)).run is not None


async def test_a_server_that_is_away_is_waited_for(
    client: Client, road: Road, collection: str
) -> None:
    road.fails["upload_folder"] = TransientError("PostgreSQL does not answer")
    id = folder_workflow_id(CollectionKey("default", collection))
    handle = await start(client, {"collection": collection}, id)
    while road.attempts["upload_folder"] < 2:
        assert (await handle.describe()).close_time is None
    del road.fails["upload_folder"]
    assert (await handle.result()).run is not None


async def cause_of(handle: WorkflowHandle[object, IndexedFolder]) -> BaseException | None:
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    cause = failure.value.cause
    return getattr(cause, "cause", None) or cause


async def test_a_folder_that_is_gone_is_a_plain_word(
    client: Client, road: Road, collection: str
) -> None:
    road.fails["upload_folder"] = PermanentError("/data does not exist")
    id = folder_workflow_id(CollectionKey("default", collection))
    cause = await cause_of(await start(client, {"collection": collection}, id))
    assert isinstance(cause, ApplicationError)
    assert (cause.message, road.runs_started) == ("/data does not exist", 0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "must be a JSON object"),
        ({}, "lacks the field 'collection'"),
        ({"collection": "{collection}", "path": "/etc"}, "unknown field path"),
        ({"collection": "a/b"}, "collection name is"),
        ({"collection": "other"}, "must be 'folder/default/other'"),
        ({"collection": "{collection}", "tenant": "other"}, "must be 'folder/other/"),
    ],
)
async def test_bad_input_ends_it_at_once_in_plain_words(
    client: Client, road: Road, collection: str, given: dict[str, object] | None, words: str
) -> None:
    if given and given.get("collection") == "{collection}":
        given = given | {"collection": collection}
    id = folder_workflow_id(CollectionKey("default", collection))
    cause = await cause_of(await start(client, given, id))
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("InvalidRequest", True)
    assert words in cause.message
    assert road.attempts["upload_folder"] == 0
