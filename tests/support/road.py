"""The road with its activities in memory: workflows run for real, what they ask for is looked at.

Activities are registered under their real names. A gate (`Road.hold`) stops one at its beginning,
so that a test says what happens meanwhile.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from temporalio import activity
from temporalio.client import Client
from temporalio.common import Priority
from temporalio.worker import Worker, WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from activities.failures import FailureInterceptor
from activities.heartbeats import heartbeating
from graphmill.batch_messages import (
    BatchProgress,
    BatchRun,
    CollectBatches,
    QueueExtractions,
)
from graphmill.deletions import DocumentIds, StartedRun
from graphmill.folder_schedules import UploadedFolder
from graphmill.ids import document_id
from graphmill.index_request import index_workflow_id
from graphmill.messages import (
    BuildCommunitiesResult,
    DocumentPage,
    EmbedRequest,
    FailDocument,
    GraphRef,
    GraphShard,
    IndexDocumentInput,
    IndexDocumentResult,
    MergedGraph,
    MergeGraph,
    OpenRun,
    PageRequest,
    Recipe,
    RunRecord,
    WaitingDocument,
)
from graphmill.missing import no_document
from graphmill.models import CollectionKey, DocumentState, Method, RunState
from graphmill.projections.messages import ProjectedToStore, ProjectToStore
from graphmill.prompt_tuning import DraftedPrompts, DraftPrompts
from workers.roles.workflow import WORKFLOWS
from workflows.index_document import IndexDocument
from workflows.queues import (
    CPU_QUEUE,
    DOCUMENT_QUEUE,
    EMBEDDING_QUEUE,
    FOLDER_QUEUE,
    LLM_QUEUE,
    PROJECTION_QUEUE,
    STORE_QUEUE,
    WORKFLOW_QUEUE,
)
from workflows.unknown_type import UnknownType
from workflows.written_by_hand import checked

RECIPE = Recipe(Method.FAST, 1200, 100)
STANDARD_RECIPE = Recipe(Method.STANDARD, 1200, 100, "options", "extraction")
_WITH_FAILURES = (DocumentState.FAILED, DocumentState.PARTIAL)
COMMUNITIES = BuildCommunitiesResult(communities=4, reports=3)


@dataclass(slots=True)
class Gate:
    """Whoever comes to it waits until it is opened."""

    arrivals: int = 0
    _opened: asyncio.Event = field(default_factory=asyncio.Event)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def arrived(self, count: int = 1) -> None:
        """Until so many have come."""
        async with asyncio.timeout(20), self._arrived:
            await self._arrived.wait_for(lambda: self.arrivals >= count)

    def open(self) -> None:
        self._opened.set()

    async def enter(self) -> None:
        async with self._arrived:
            self.arrivals += 1
            self._arrived.notify_all()
        async with heartbeating():
            await self._opened.wait()


class Road:
    """One collection in memory, and the activities on it.

    `process` and, of method standard, `extract` may raise, or say how a document (by its name)
    ends; None is done. `to_summarize`: descriptions, of method standard. `embeddings`: the model of
    an endpoint that embeds. `published_by_another`: the graph that stands, where it was embedded by
    another one, and nothing else has changed. `model_gaps`: that graph lacks what no model gave.

    `projected`: graphs go to the stores too, each with what came to it: (graph, whether afresh).

    `deleted`: how many documents each batch took. `folder`: what was found in a schedule's.

    `sizes`: of documents, in bytes; which of them are `small`, and how many, as in Recipe;
    `priorities`: of activities, as the server gave them to the worker, by their own or their
    document's name.

    In batches each step has something to ask in so many rounds (`batch_rounds`), and a batch has
    ended at so many looks at it, or at the next if it is cancelled (`ends_cancelled`); `batches` is
    what was done, in order.
    """

    def __init__(self) -> None:
        self.names: dict[UUID, str] = {}
        self.waiting: dict[UUID, float] = {}
        self.uploaded: dict[UUID, datetime] = {}
        self.ended: dict[str, tuple[DocumentState, str]] = {}
        self.opened: list[OpenRun] = []
        self.records: list[RunRecord] = []
        self.merges: list[MergeGraph] = []
        self.embedded: list[str] = []
        self.embed_requests: list[EmbedRequest] = []
        self.published: list[int] = []
        self.attempts: defaultdict[str, int] = defaultdict(int)
        self.in_process = 0
        self.most_in_process = 0
        self.sizes: dict[str, int] = {}
        self.small: tuple[int, ...] = ()
        self.small_documents = 100
        self.priorities: dict[str, Priority] = {}
        self.process: Callable[[str], IndexDocumentResult | None] = lambda _: None
        self.extract: Callable[[str], IndexDocumentResult | None] = lambda _: None
        self.extracted: list[IndexDocumentInput] = []
        self.to_summarize = 0
        self.embeddings = ""
        self.published_by_another: int | None = None
        self.model_gaps = False
        self.asked: list[str] = []
        self.batch_rounds = 1
        self.looks = 1
        self.ends_cancelled = True
        self.batches: list[str] = []
        self.unread: list[str] = []
        self.projected = False
        self.stores: dict[str, list[tuple[str, bool]]] = {"Neo4j": []}
        self.deleted: list[int] = []
        self.runs_started = 0
        self.folder = UploadedFolder(new=2, unchanged=5, waits=True)
        self._open_looks = 0
        self.fails: dict[str, Exception] = {}
        self._gates: dict[str, Gate] = {}
        self._positions = 0

    def add(self, *names: str) -> None:
        """Upload documents: they wait in line."""
        for name in names:
            self._positions += 1
            id = document_id(name)
            self.names[id] = name
            self.waiting[id] = self._positions
            self.uploaded[id] = datetime.now(UTC)

    def hold(self, point: str) -> Gate:
        """Stop at an activity's name, a document's name or "record_run STATE"."""
        self._gates[point] = Gate()
        return self._gates[point]

    @property
    def states(self) -> dict[str, str]:
        return {name: str(state) for name, (state, _) in self.ended.items()}

    @property
    def last_record(self) -> RunRecord:
        return self.records[-1]

    def recorded(self, state: RunState) -> bool:
        return any(record.state is state for record in self.records)

    async def _come_to(self, *points: str) -> None:
        self.priorities[points[-1]] = activity.info().priority
        for point in points:
            self.attempts[point] += 1
            if gate := self._gates.get(point):
                await gate.enter()
            if point in self.fails:
                raise self.fails[point]

    def _end(self, id: UUID, state: DocumentState, reason: str = "") -> None:
        if self.waiting.pop(id, None) is not None:
            self.ended[self.names[id]] = (state, reason)

    @activity.defn
    async def open_run(self, opening: OpenRun) -> Recipe:
        await self._come_to("open_run")
        self.opened.append(opening)
        recipe = STANDARD_RECIPE if opening.request.method is Method.STANDARD else RECIPE
        return replace(
            recipe,
            embeddings=self.embeddings,
            to_embed=self.published_by_another,
            model_gaps=self.model_gaps,
            small=self.small,
            small_documents=self.small_documents,
        )

    @activity.defn
    async def record_run(self, record: RunRecord) -> RunRecord:
        await self._come_to("record_run", f"record_run {record.state}")
        failed = any(state in _WITH_FAILURES for state, _ in self.ended.values())
        if record.state is RunState.COMPLETED and failed:
            record = RunRecord(
                record.run_id, RunState.COMPLETED_WITH_FAILURES, record.phase, record.reason
            )
        self.records.append(record)
        return record

    @activity.defn
    async def next_page(self, request: PageRequest) -> DocumentPage:
        await self._come_to("next_page")
        line = sorted((position, id) for id, position in self.waiting.items())
        page = [(position, id) for position, id in line if position > request.after]
        page = page[: request.limit]
        return DocumentPage(
            tuple(
                WaitingDocument(id, self.names[id], self.sizes.get(self.names[id], 0))
                for _, id in page
            ),
            int(page[-1][0]) if page else request.after,
        )

    @activity.defn
    async def fail_document(self, failure: FailDocument) -> None:
        await self._come_to("fail_document")
        self._end(failure.document_id, DocumentState.FAILED, failure.reason)

    @activity.defn
    async def process_document(self, input: IndexDocumentInput) -> IndexDocumentResult:
        name = self.names[input.document_id]
        if input.document_id not in self.waiting:
            return IndexDocumentResult(self.ended[name][0], self.ended[name][1])
        self.in_process += 1
        self.most_in_process = max(self.most_in_process, self.in_process)
        try:
            await self._come_to("process_document", name)
            if input.recipe.method is Method.STANDARD:
                return IndexDocumentResult(DocumentState.PENDING)
            result = self.process(name) or IndexDocumentResult(
                DocumentState.DONE, text_units=2, entities=5
            )
        finally:
            self.in_process -= 1
        self._end(input.document_id, result.state, result.reason)
        return result

    @activity.defn
    async def extract_document(self, input: IndexDocumentInput) -> IndexDocumentResult:
        name = self.names[input.document_id]
        await self._come_to("extract_document", f"extract {name}")
        self.extracted.append(input)
        result = self.extract(name) or IndexDocumentResult(DocumentState.DONE, text_units=2)
        self._end(input.document_id, result.state, result.reason)
        return result

    @activity.defn
    async def open_graph(self, input: MergeGraph) -> int | None:
        await self._come_to("open_graph")
        self.merges.append(input)
        return None if self.published_by_another else len(self.merges)

    @activity.defn
    async def resolve_entities(self, graph: GraphRef) -> int:
        await self._come_to("resolve_entities")
        self.asked.append("resolve_entities")
        return 1

    @activity.defn
    async def fold_graph(self, graph: GraphRef) -> MergedGraph:
        await self._come_to("fold_graph")
        self.asked.append("fold_graph")
        wait = bool(self.waiting)
        return MergedGraph(graph.graph_id, 2, 7, 9, self.to_summarize, wait)

    @activity.defn
    async def summarize_descriptions(self, part: GraphShard) -> int:
        await self._come_to("summarize_descriptions")
        self.asked.append(f"summarize_descriptions {part.shard} of {part.shards}")
        return 1

    @activity.defn
    async def write_model_reports(self, part: GraphShard) -> int:
        await self._come_to("write_model_reports")
        self.asked.append("write_model_reports")
        return COMMUNITIES.reports

    @activity.defn
    async def recover_batches(self, run: BatchRun) -> int:
        await self._come_to("recover_batches")
        self.batches.append("recover")
        return 0

    def end_batches(self) -> None:
        """At the next look."""
        self._open_looks = 1

    def _queue(self, step: str) -> int:
        self.batches.append(f"queue {step}")
        return int(self.batches.count(f"queue {step}") <= self.batch_rounds)

    @activity.defn
    async def queue_extractions(self, asked: QueueExtractions) -> int:
        await self._come_to("queue_extractions")
        self.unread = [name for name in self.names.values() if not self.attempts[name]]
        return self._queue("extractions")

    @activity.defn
    async def queue_summaries(self, part: GraphShard) -> int:
        return self._queue("summaries")

    @activity.defn
    async def queue_reports(self, part: GraphShard) -> int:
        return self._queue("reports")

    @activity.defn
    async def submit_batches(self, run: BatchRun) -> int:
        await self._come_to("submit_batches")
        self.batches.append("submit")
        self._open_looks = self.looks
        return 1

    @activity.defn
    async def collect_batches(self, asked: CollectBatches) -> BatchProgress:
        await self._come_to("collect_batches")
        self._open_looks -= 1
        if self._open_looks > 0 and not asked.give_up:
            return BatchProgress(1, 10, 5)
        self.batches.append("give up" if asked.give_up else "collect")
        return BatchProgress()

    @activity.defn
    async def cancel_batches(self, run: BatchRun) -> None:
        await self._come_to("cancel_batches")
        self.batches.append("cancel")
        if self.ends_cancelled:
            self._open_looks = 1

    @activity.defn
    async def check_documents(self, asked: DocumentIds) -> datetime | None:
        await self._come_to("check_documents")
        now = datetime.now(UTC)
        for id in asked.documents:
            if id not in self.names:
                raise no_document(asked.key, id)
        return now

    @activity.defn
    async def delete_documents(self, asked: DocumentIds) -> None:
        await self._come_to("delete_documents")
        for id in asked.documents:
            if (
                asked.uploaded_until
                and id in self.names
                and self.uploaded[id] > asked.uploaded_until
            ):
                continue
            self.names.pop(id, None)
            self.waiting.pop(id, None)
        self.deleted.append(len(asked.documents))
        await self._come_to("deleted")

    @activity.defn
    async def start_run(self, key: CollectionKey) -> StartedRun:
        await self._come_to("start_run")
        self.runs_started += 1
        return StartedRun("run", index_workflow_id(key), self.runs_started > 1)

    @activity.defn
    async def upload_folder(self, key: CollectionKey) -> UploadedFolder:
        await self._come_to("upload_folder")
        return self.folder

    @activity.defn
    async def start_folder_run(self, key: CollectionKey) -> StartedRun:
        await self._come_to("start_folder_run")
        return await self.start_run(key)

    @activity.defn
    async def merge_graph(self, input: MergeGraph) -> MergedGraph:
        await self._come_to("merge_graph")
        self.merges.append(input)
        if self.published_by_another:
            return MergedGraph(None)
        wait = bool(self.waiting)
        return MergedGraph(len(self.merges), 2, entities=7, relationships=9, documents_wait=wait)

    @activity.defn
    async def publish_graph(self, graph: GraphRef) -> bool:
        await self._come_to("publish_graph")
        self.published.append(graph.graph_id)
        return self.projected

    @activity.defn
    async def expect_projections(self, key: CollectionKey) -> tuple[str, ...]:
        return tuple(self.stores)

    @activity.defn
    async def project_to_store(self, asked: ProjectToStore) -> ProjectedToStore:
        await self._come_to(f"project_to_store {asked.store}")
        version = str(self.published[-1]) if self.published else ""
        self.stores[asked.store].append((version, asked.afresh))
        return ProjectedToStore(asked.store, version, 5, 2)

    @activity.defn
    async def cluster_graph(self, graph: GraphRef) -> int:
        await self._come_to("cluster_graph")
        return COMMUNITIES.communities

    @activity.defn
    async def write_reports(self, graph: GraphRef) -> int:
        await self._come_to("write_reports")
        return COMMUNITIES.reports

    @activity.defn
    async def embed(self, request: EmbedRequest) -> int:
        await self._come_to("embed")
        self.embedded.append(request.vector_index)
        self.embed_requests.append(request)
        return 1

    @activity.defn
    async def draft_prompts(self, asked: DraftPrompts) -> DraftedPrompts:
        await self._come_to("draft_prompts")
        return DraftedPrompts("version", asked.sample, 0)


def _never(_: BaseException) -> bool:
    return False


class CheckingSandbox(SandboxedWorkflowRunner):
    """As workers run workflows, and in the sandbox."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return super().create_instance(checked(det))


@asynccontextmanager
async def working(client: Client, road: Road, cached_workflows: int = 200) -> AsyncGenerator[None]:
    """Workers of all roles in this process, over a road in memory.

    cached_workflows=0 replays a workflow from its beginning at every step.
    """
    queues: dict[str, dict[str, Any]] = {
        WORKFLOW_QUEUE: {"workflows": (*WORKFLOWS, UnknownType)},
        DOCUMENT_QUEUE: {"workflows": [IndexDocument]},
        STORE_QUEUE: {
            "activities": [
                road.open_run,
                road.record_run,
                road.next_page,
                road.fail_document,
                road.check_documents,
                road.delete_documents,
                road.start_run,
                road.start_folder_run,
                road.merge_graph,
                road.open_graph,
                road.fold_graph,
                road.publish_graph,
            ]
        },
        FOLDER_QUEUE: {"activities": [road.upload_folder]},
        PROJECTION_QUEUE: {"activities": [road.expect_projections, road.project_to_store]},
        CPU_QUEUE: {"activities": [road.process_document, road.cluster_graph, road.write_reports]},
        LLM_QUEUE: {
            "activities": [
                road.extract_document,
                road.resolve_entities,
                road.summarize_descriptions,
                road.write_model_reports,
                road.recover_batches,
                road.queue_extractions,
                road.queue_summaries,
                road.queue_reports,
                road.submit_batches,
                road.collect_batches,
                road.cancel_batches,
                road.draft_prompts,
            ]
        },
        EMBEDDING_QUEUE: {"activities": [road.embed]},
    }
    async with AsyncExitStack() as stack:
        for queue, served in queues.items():
            worker = Worker(
                client,
                task_queue=queue,
                workflow_runner=CheckingSandbox(),
                interceptors=[FailureInterceptor(_never)],
                max_cached_workflows=cached_workflows,
                **served,
            )
            await stack.enter_async_context(worker)
        yield
