"""What crosses Temporal: ids, counts and the names of things, never text of a document.

One dataclass each way for every workflow, activity and query. Those of one part alone stand apart:
`index_request.py`, `deletions.py`, `batch_messages.py`, `prompt_tuning.py`,
`projections/messages.py`.
"""

from dataclasses import dataclass
from uuid import UUID

from graphmill.index_request import IndexRequest
from graphmill.models import CollectionKey, DocumentState, Method, Phase, RunState

# Names by which clients, the temporal CLI and the Web UI address workflows.
INDEX_PAGE = "IndexPage"
INDEX_DOCUMENT = "IndexDocument"
BUILD_COMMUNITIES = "BuildCommunities"
TASK_QUEUE = "graphmill"


# Vector indexes, named as in GraphRAG.
TEXT_UNIT_TEXT = "text_unit_text"
ENTITY_DESCRIPTION = "entity_description"
COMMUNITY_FULL_CONTENT = "community_full_content"
VECTOR_INDEXES = (TEXT_UNIT_TEXT, ENTITY_DESCRIPTION, COMMUNITY_FULL_CONTENT)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a run reads documents: decided once, when the run opens, by the worker that opens it.

    Of method standard, `options` is the digest of its options, `extraction` of those among them
    that extractions depend on, `claims` of those that claims depend on ("": none are asked for).
    `embeddings` is the model of an endpoint, "" the local one; `to_embed` the graph that was
    published then, where its vectors are by another one, or some are missing; `model_gaps` whether
    it has reports or summaries that no model gave.

    Of the first `small_documents` that the run takes, one goes a level before the run's priority
    for each size of `small` that it does not exceed.
    """

    method: Method
    chunk_size: int
    chunk_overlap: int
    options: str = ""
    extraction: str = ""
    claims: str = ""
    embeddings: str = ""
    to_embed: int | None = None
    model_gaps: bool = False
    small: tuple[int, ...] = ()
    small_documents: int = 0


@dataclass(frozen=True, slots=True)
class OpenRun:
    """Begin a run: its row, and what it will work on."""

    run_id: UUID
    workflow_id: str
    request: IndexRequest


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The next documents that wait, after a queue position."""

    key: CollectionKey
    after: int
    limit: int


@dataclass(frozen=True, slots=True)
class WaitingDocument:
    """`label` is the start of the document's name, for people to read in the Web UI; `size` is in
    bytes."""

    id: UUID
    label: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """Documents to index, and the queue position of the last of them."""

    documents: tuple[WaitingDocument, ...]
    last: int


@dataclass(frozen=True, slots=True)
class IndexPageInput:
    """Index these documents, so many of them at a time, the small ones first. `read_only`: as in
    IndexDocumentInput. `small`: as in Recipe, where it holds for these documents."""

    key: CollectionKey
    recipe: Recipe
    documents: tuple[WaitingDocument, ...]
    in_flight: int
    priority: int
    paused: bool = False
    run_id: UUID | None = None
    read_only: bool = False
    small: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexDocumentInput:
    """`run_id`: on whose account models are asked. `read_only`: none is; a document that waits for
    extractions by a model goes on waiting, since they are asked for in batches first."""

    key: CollectionKey
    recipe: Recipe
    document_id: UUID
    run_id: UUID | None = None
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class IndexDocumentResult:
    """How a document ended. `reason` begins with a FailureReason where it failed, was skipped or
    is partial. PENDING: its text units are there, and a model is to be asked about them."""

    state: DocumentState
    reason: str = ""
    text_units: int = 0
    entities: int = 0


@dataclass(frozen=True, slots=True)
class DocumentCounts:
    """How many documents ended in which state."""

    done: int = 0
    failed: int = 0
    skipped: int = 0
    partial: int = 0

    def __add__(self, other: "DocumentCounts") -> "DocumentCounts":
        return DocumentCounts(
            self.done + other.done,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.partial + other.partial,
        )

    def plus(self, state: DocumentState) -> "DocumentCounts":
        """One more document that ended in this state; what is no end does not count."""
        match state:
            case DocumentState.DONE:
                return self + DocumentCounts(done=1)
            case DocumentState.FAILED:
                return self + DocumentCounts(failed=1)
            case DocumentState.SKIPPED:
                return self + DocumentCounts(skipped=1)
            case DocumentState.PARTIAL:
                return self + DocumentCounts(partial=1)
            case _:
                return self


@dataclass(frozen=True, slots=True)
class PageProgress:
    """The answer to IndexPage's progress query."""

    documents: DocumentCounts
    in_flight: int


@dataclass(frozen=True, slots=True)
class FailDocument:
    """A document whose workflow could not end by itself (terminated, a bug) ends failed."""

    key: CollectionKey
    recipe: Recipe
    document_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run's row says from now on."""

    run_id: UUID
    state: RunState
    phase: Phase
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MergeGraph:
    """Fold the extractions of a collection into a graph. `afresh`: even if nothing changed.
    `options`: of method standard, as in Recipe."""

    key: CollectionKey
    afresh: bool
    options: str = ""


@dataclass(frozen=True, slots=True)
class GraphRef:
    """A graph under construction. Of method standard: on whose account models are asked, and by
    which options, `batch`: in batches, as far as that goes; of both methods, which model embeds it
    (as in Recipe), and whether its communities are found afresh."""

    key: CollectionKey
    graph_id: int
    run_id: UUID | None = None
    options: str = ""
    embeddings: str = ""
    batch: bool = False
    recluster: bool = False


@dataclass(frozen=True, slots=True)
class GraphShard:
    """One of `shards` parts of a graph's work, counted from 0."""

    graph: GraphRef
    shard: int
    shards: int


@dataclass(frozen=True, slots=True)
class MergedGraph:
    """`graph_id` is None where the published graph is already what a fold would give.

    `to_summarize`: entities and relationships whose descriptions wait to become one.
    `documents_wait`: some were uploaded by then that are not read; a new version of one means that
    nothing of it is in this graph.
    """

    graph_id: int | None
    text_units: int = 0
    entities: int = 0
    relationships: int = 0
    to_summarize: int = 0
    documents_wait: bool = False


@dataclass(frozen=True, slots=True)
class BuildCommunitiesResult:
    communities: int
    reports: int


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Embed what a graph holds and has no vector yet, for one vector index: by the local model, or
    by that of an endpoint, on the account of a run."""

    key: CollectionKey
    graph_id: int
    vector_index: str
    model: str = ""
    run_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class RunProgress:
    """The answer to the progress query, and the result of IndexCollection.

    `documents` are those that this run ended; `open_pages` how many pages it works on now.
    """

    run_id: UUID
    state: RunState
    phase: Phase
    documents: DocumentCounts
    open_pages: int
