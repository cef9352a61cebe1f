"""What crosses Temporal: ids, counts and the names of things, never text of a document.

One dataclass each way for every workflow, activity and query. IndexCollection's input, which people
write by hand, comes as plain JSON and is checked by `IndexRequest.from_json`.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

from graphmill.errors import InvalidRequest
from graphmill.models import CollectionKey, DocumentState, Method, Phase, RunState
from graphmill.names import check_collection_name, check_tenant_name

# Names by which clients, the temporal CLI and the Web UI address workflows.
INDEX_COLLECTION = "IndexCollection"
TUNE_PROMPTS = "TunePrompts"
INDEX_PAGE = "IndexPage"
INDEX_DOCUMENT = "IndexDocument"
BUILD_COMMUNITIES = "BuildCommunities"
ASK_IN_BATCHES = "AskInBatches"
CANCEL_BATCHES = "CancelBatches"
TASK_QUEUE = "graphmill"

PAUSE = "pause"
RESUME = "resume"
ADD_DOCUMENTS = "add_documents"
PROGRESS = "progress"

# Vector indexes, named as in GraphRAG.
TEXT_UNIT_TEXT = "text_unit_text"
ENTITY_DESCRIPTION = "entity_description"
COMMUNITY_FULL_CONTENT = "community_full_content"
VECTOR_INDEXES = (TEXT_UNIT_TEXT, ENTITY_DESCRIPTION, COMMUNITY_FULL_CONTENT)


FAST_BATCH = (
    "method fast asks no model, so there is nothing to ask in batches; leave batch (--batch) out,"
    " or index with method standard"
)

# More than anybody has to spend, and little enough to be counted in 1e-9 dollars.
MOST_BUDGET_USD = 1_000_000_000


def index_workflow_id(key: CollectionKey) -> str:
    return f"index/{key.tenant}/{key.name}"


def tune_workflow_id(key: CollectionKey) -> str:
    return f"tune/{key.tenant}/{key.name}"


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """Index what is new, changed or (with force_rebuild) everything in a collection.

    `method` None: standard where the worker that opens the run knows a model endpoint, else fast.
    `budget_usd`: the most that models may cost in this run; None: as much as it takes. `batch`: the
    endpoint's Batch API is asked, which takes up to a day and costs half. `recluster`: communities
    are found afresh, not from those that the published graph has; so with force_rebuild.
    """

    collection: str
    tenant: str = "default"
    method: Method | None = None
    force_rebuild: bool = False
    priority: int = 3
    budget_usd: float | None = None
    batch: bool = False
    recluster: bool = False

    def __post_init__(self) -> None:
        """
        Raises:
            InvalidRequest: batches of a method that asks no model.
        """
        if self.batch and self.method is Method.FAST:
            raise InvalidRequest(FAST_BATCH)

    @property
    def key(self) -> CollectionKey:
        return CollectionKey(self.tenant, self.collection)

    def to_json(self) -> dict[str, Any]:
        """What is left open is left out: workers of a release before know no null."""
        fields: dict[str, Any] = {
            "collection": self.collection,
            "tenant": self.tenant,
            "force_rebuild": self.force_rebuild,
            "priority": self.priority,
        }
        if self.method is not None:
            fields["method"] = str(self.method)
        if self.budget_usd is not None:
            fields["budget_usd"] = self.budget_usd
        if self.batch:
            fields["batch"] = True
        if self.recluster:
            fields["recluster"] = True
        return fields

    @classmethod
    def from_json(cls, value: object) -> "IndexRequest":
        """Check JSON written by hand.

        Raises:
            InvalidRequest: says which field is missing, misspelt or wrong, and what is expected.
        """
        if not isinstance(value, dict):
            raise InvalidRequest('input must be a JSON object such as {"collection": "NAME"}')
        fields = dict(cast(dict[str, object], value))
        known = (
            "collection",
            "tenant",
            "method",
            "force_rebuild",
            "priority",
            "budget_usd",
            "batch",
            "recluster",
        )
        unknown = sorted(set(fields) - set(known))
        if unknown:
            raise InvalidRequest(
                f"input has unknown field {', '.join(unknown)}; known are {', '.join(known)}"
            )
        if "collection" not in fields:
            raise InvalidRequest('input lacks the field "collection" (the collection\'s name)')
        collection = check_collection_name(fields["collection"])
        tenant = check_tenant_name(fields.get("tenant", "default"))
        given = fields.get("method")
        try:
            method = None if given is None else Method(str(given))
        except ValueError:
            raise InvalidRequest(
                f"method is {given!r}; this release has {', '.join(Method)}"
            ) from None
        force_rebuild = _flag(fields, "force_rebuild")
        priority = fields.get("priority", 3)
        if type(priority) is not int or not 1 <= priority <= 5:
            raise InvalidRequest(f"priority is {priority!r}; expected is a whole number, 1 to 5")
        budget_usd = check_budget(fields.get("budget_usd"))
        batch, recluster = _flag(fields, "batch"), _flag(fields, "recluster")
        return cls(
            collection, tenant, method, force_rebuild, priority, budget_usd, batch, recluster
        )


def _flag(fields: dict[str, object], name: str) -> bool:
    given = fields.get(name, False)
    if not isinstance(given, bool):
        raise InvalidRequest(f"{name} is {given!r}; expected is true or false")
    return given


def check_budget(given: object) -> float | None:
    """
    Raises:
        InvalidRequest: it is neither None nor an amount of dollars.
    """
    if given is None:
        return None
    if (
        isinstance(given, bool)
        or not isinstance(given, int | float)
        or not math.isfinite(given)
        or not 0 <= given <= MOST_BUDGET_USD
    ):
        raise InvalidRequest(
            f"budget_usd is {given!r}; expected is a number of dollars, 0 to {MOST_BUDGET_USD:,}"
        )
    return float(given)


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


class BatchedStep(StrEnum):
    """Steps whose questions go in batches."""

    EXTRACTIONS = "extractions"
    DESCRIPTIONS = "descriptions"
    REPORTS = "reports"


@dataclass(frozen=True, slots=True)
class BatchRun:
    """The batches of a collection, and which run works on them."""

    key: CollectionKey
    run_id: UUID


@dataclass(frozen=True, slots=True)
class AskInBatchesInput:
    """Ask what a step has no answer for: of extractions, all documents that wait, by this recipe;
    of the others, this graph, in which `items` wait."""

    run: BatchRun
    step: BatchedStep
    recipe: Recipe | None = None
    graph: GraphRef | None = None
    items: int = 0


@dataclass(frozen=True, slots=True)
class QueueExtractions:
    """Put down the questions about all documents that wait."""

    run: BatchRun
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class CollectBatches:
    """Store the answers of batches that have ended; with `give_up` of all, ended or not."""

    run: BatchRun
    give_up: bool = False


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How many batches are open, with how many questions, of which so many have an answer or an
    error."""

    open: int = 0
    questions: int = 0
    answered: int = 0


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


@dataclass(frozen=True, slots=True)
class TuneRequest:
    """Draft prompts from so many text units of a collection; the budget as of IndexRequest."""

    key: CollectionKey
    sample: int
    budget_usd: float | None = None


@dataclass(frozen=True, slots=True)
class DraftPrompts:
    """`tuning_id`: on whose account the model is asked."""

    key: CollectionKey
    tuning_id: UUID
    sample: int
    budget_usd: float | None = None


@dataclass(frozen=True, slots=True)
class DraftedPrompts:
    """A draft, by the version under which it is stored; from how many text units, and how many
    types that the model named are not in it."""

    version: str
    text_units: int
    left_out: int
