"""What happened in the recorded histories: each scenario is one run, made to happen on a server."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from temporalio.client import WorkflowFailureError, WorkflowHandle

from graphmill.deletions import DELETE_DOCUMENTS, DeleteRequest
from graphmill.errors import PermanentError
from graphmill.folder_schedules import INDEX_FOLDER, FolderRequest, folder_workflow_id
from graphmill.ids import document_id
from graphmill.index_request import ADD_DOCUMENTS, PAUSE, RESUME
from graphmill.llm.faults import CallRefused
from graphmill.messages import TASK_QUEUE, IndexDocumentResult
from graphmill.models import CollectionKey, DocumentState, Method, RunState
from graphmill.prompt_tuning import TUNE_PROMPTS, TuneRequest, tune_workflow_id
from graphmill.search_attributes import collection_attributes
from tests.support.index_run import IndexRun
from tests.support.road import Road
from tests.support.waiting import until


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    Attributes:
        policies: numbers of workflows.policies under which it was recorded and is replayed.
        past: runs under way may still be so; replayed, and never recorded again.
    """

    happen: Callable[[IndexRun, Road], Awaitable[None]]
    policies: dict[str, int]
    past: bool = False


def _add(road: Road, count: int) -> None:
    road.add(*(f"{number}.txt" for number in range(count)))


async def _normal(index: IndexRun, road: Road) -> None:
    _add(road, 5)
    await index.to_end()


async def _failures(index: IndexRun, road: Road) -> None:
    _add(road, 5)
    ends = {
        "0.txt": IndexDocumentResult(DocumentState.FAILED, "corrupt: save it anew"),
        "1.txt": IndexDocumentResult(DocumentState.SKIPPED, "no text: nothing to read"),
    }
    road.process = ends.get
    road.fails["2.txt"] = PermanentError("cannot be done")
    held = road.hold("3.txt")
    run = await index.start()
    await held.arrived()
    victim = index.document_workflow_id(document_id("3.txt"))
    await index.client.get_workflow_handle(victim).terminate()
    await run.result()
    held.open()


async def _page_terminated(index: IndexRun, road: Road) -> None:
    _add(road, 3)
    held = road.hold("0.txt")
    run = await index.start()
    await held.arrived()
    await index.client.get_workflow_handle(index.page_workflow_id(1)).terminate()
    held.open()
    await run.result()


async def _paused(index: IndexRun, road: Road) -> None:
    """Before it has opened, in the middle of documents, and between phases."""
    _add(road, 4)
    documents, merge = road.hold("process_document"), road.hold("merge_graph")
    run = await index.start(start_signal=PAUSE)
    await until(lambda: len(road.records) > 1)
    await run.signal(RESUME)
    await documents.arrived(2)
    await _pause(index, road)
    documents.open()
    await until(lambda: len(road.ended) == 2)
    await run.signal(RESUME)
    await merge.arrived()
    await _pause(index, road)
    merge.open()
    await asyncio.sleep(0.3)
    await run.signal(RESUME)
    await run.result()


async def _pause(index: IndexRun, road: Road) -> None:
    before = len(road.records)
    await index.client.get_workflow_handle(index.id).signal(PAUSE)
    await until(lambda: any(r.state is RunState.PAUSED for r in road.records[before:]))


async def _cancelled(index: IndexRun, road: Road) -> None:
    _add(road, 5)
    held = road.hold("process_document")
    run = await index.start()
    await held.arrived(2)
    await run.cancel()
    with contextlib.suppress(WorkflowFailureError):
        await run.result()
    held.open()


async def _continued(index: IndexRun, road: Road) -> None:
    _add(road, 5)
    await index.to_end()


async def _joined(index: IndexRun, road: Road) -> None:
    _add(road, 2)
    merge, end = road.hold("merge_graph"), road.hold("record_run completed")
    run = await index.start()
    await merge.arrived()
    road.add("late.txt")
    await run.signal(ADD_DOCUMENTS)
    merge.open()
    await end.arrived()
    road.add("later.txt")
    await run.signal(ADD_DOCUMENTS)
    end.open()
    await run.result()


async def _uploaded_untold(index: IndexRun, road: Road) -> None:
    """While the graph is folded, and no run is told."""
    road.add("first.txt")
    merge = road.hold("merge_graph")
    run = await index.start()
    await merge.arrived()
    road.add("late.txt")
    merge.open()
    await run.result()


async def _failed(index: IndexRun, road: Road) -> None:
    _add(road, 1)
    road.fails["merge_graph"] = PermanentError("no room on the disk")
    with contextlib.suppress(WorkflowFailureError):
        await index.to_end()


async def _refused(index: IndexRun, road: Road) -> None:
    """The key is refused: at a document, beside one of another page; at an embedding, beside
    reports."""
    index.request = replace(index.request, method=Method.STANDARD)
    road.add("paid.txt", "refused.txt")
    refused = CallRefused("the key is refused")
    for fails, beside in (
        ("extract refused.txt", "extract paid.txt"),
        ("embed", "write_model_reports"),
    ):
        road.fails = {fails: refused}
        failing, held = road.hold(fails), road.hold(beside)
        run = await index.start()
        await held.arrived()
        failing.open()
        await asyncio.sleep(2)
        held.open()
        with contextlib.suppress(WorkflowFailureError):
            await run.result()


async def _batches(index: IndexRun, road: Road) -> None:
    """Each step in batches; then, with a document more, one that is cancelled."""
    index.request = replace(index.request, method=Method.STANDARD, batch=True)
    _add(road, 2)
    road.to_summarize, road.looks = 2, 2
    await index.to_end()
    road.add("late.txt")
    road.batch_rounds, road.looks = 3, 1_000
    run = await index.start()
    await until(lambda: road.attempts["submit_batches"] == 4)
    await run.cancel()
    with contextlib.suppress(WorkflowFailureError):
        await run.result()


async def _prompts_tuned(index: IndexRun, road: Road) -> None:
    """Beside runs: a draft that is made, one that fails, and one that is cancelled."""
    await (await _tune(index)).result()
    road.fails["draft_prompts"] = PermanentError("nothing has been read")
    with contextlib.suppress(WorkflowFailureError):
        await (await _tune(index)).result()
    road.fails.clear()
    held = road.hold("draft_prompts")
    tuning = await _tune(index)
    await held.arrived()
    await tuning.cancel()
    with contextlib.suppress(WorkflowFailureError):
        await tuning.result()
    held.open()


async def _documents_deleted(index: IndexRun, road: Road) -> None:
    """Some that are deleted, one that is not there, and a deletion that is cancelled amid it."""
    _add(road, 5)
    ids = [document_id(f"{number}.txt") for number in range(5)]
    await (await _delete(index, ids[0], ids[1], ids[2])).result()
    with contextlib.suppress(WorkflowFailureError):
        await (await _delete(index, ids[0])).result()
    held = road.hold("delete_documents")
    deleting = await _delete(index, ids[3], ids[4])
    await held.arrived()
    await deleting.cancel()
    held.open()
    with contextlib.suppress(WorkflowFailureError):
        await deleting.result()


async def _folder_indexed(index: IndexRun, road: Road) -> None:
    """Where something has changed, where nothing has, and where the folder is not there."""
    key = index.request.key
    found = road.folder
    for number, folder in enumerate((found, replace(found, new=0, waits=False))):
        road.folder = folder
        await (await _index_folder(index, key, str(number))).result()
    road.fails["upload_folder"] = PermanentError("there is no such folder")
    with contextlib.suppress(WorkflowFailureError):
        await (await _index_folder(index, key, "gone")).result()


async def _index_folder(index: IndexRun, key: CollectionKey, word: str) -> WorkflowHandle[Any, Any]:
    return await index.client.start_workflow(
        INDEX_FOLDER,
        FolderRequest(key).to_json(),
        id=f"{folder_workflow_id(key)}/{word}",
        task_queue=TASK_QUEUE,
        search_attributes=collection_attributes(key),
    )


async def _delete(index: IndexRun, *ids: UUID) -> WorkflowHandle[Any, Any]:
    request = DeleteRequest.of(index.request.key, ids)
    return await index.client.start_workflow(
        DELETE_DOCUMENTS,
        request.to_json(),
        id=request.workflow_id,
        task_queue=TASK_QUEUE,
        search_attributes=collection_attributes(request.key),
    )


async def _tune(index: IndexRun) -> WorkflowHandle[Any, Any]:
    key = index.request.key
    return await index.client.start_workflow(
        TUNE_PROMPTS,
        TuneRequest(key, 16).to_json(),
        id=tune_workflow_id(key),
        task_queue=TASK_QUEUE,
        search_attributes=collection_attributes(key),
    )


async def _batches_cancelled(index: IndexRun, road: Road) -> None:
    """The run ends before its endpoint has ended the batch."""
    index.request = replace(index.request, method=Method.STANDARD, batch=True)
    _add(road, 1)
    road.looks, road.ends_cancelled = 1_000_000, False
    run = await index.start()
    await until(lambda: road.attempts["collect_batches"] > 0)
    await run.cancel()
    with contextlib.suppress(WorkflowFailureError):
        await run.result()
    road.end_batches()
    await until(lambda: road.batches[-1] == "collect")


async def _projected(index: IndexRun, road: Road) -> None:
    """Into two stores, one of which is written while another graph is published."""
    road.projected, road.stores = True, {"Neo4j": [], "Qdrant": []}
    held = road.hold("project_to_store Neo4j")
    for number in (1, 2):
        road.add(f"{number}.txt")
        await index.to_end()
        await held.arrived()
        await until(lambda number=number: len(road.stores["Qdrant"]) == number)
    held.open()
    await until(lambda: len(road.stores["Neo4j"]) == 2)


SCENARIOS = {
    "normal": Scenario(_normal, {"PAGE_DOCUMENTS": 3}),
    "failures": Scenario(_failures, {}),
    "page_terminated": Scenario(_page_terminated, {}),
    "paused": Scenario(_paused, {"IN_FLIGHT_PER_PAGE": 2}),
    "cancelled": Scenario(_cancelled, {"IN_FLIGHT_PER_PAGE": 2}),
    "continued": Scenario(_continued, {"PAGE_DOCUMENTS": 2, "PAGES_PER_RUN": 1}),
    "joined": Scenario(_joined, {}),
    "uploaded_untold": Scenario(_uploaded_untold, {}),
    "failed": Scenario(_failed, {}),
    "refused": Scenario(_refused, {"PAGE_DOCUMENTS": 1}),
    "refused_cutting_off": Scenario(_refused, {"PAGE_DOCUMENTS": 1}, past=True),
    "batches": Scenario(_batches, {}),
    "prompts_tuned": Scenario(_prompts_tuned, {}),
    "projected": Scenario(_projected, {}),
    "batches_cancelled": Scenario(_batches_cancelled, {}),
    "documents_deleted": Scenario(_documents_deleted, {}),
    "folder_indexed": Scenario(_folder_indexed, {}),
    "documents_deleted_unfollowed": Scenario(_documents_deleted, {}, past=True),
    "prompts_tuned_by_key": Scenario(_prompts_tuned, {}, past=True),
}
