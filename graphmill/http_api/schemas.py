"""Bodies of requests and answers. Unknown fields of a request are refused."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from graphmill.http_api import examples
from graphmill.http_api.examples import like
from graphmill.index_request import MOST_BUDGET_USD
from graphmill.models import DocumentState, Method, Phase, RunState
from graphmill.names import COLLECTION_NAME

BudgetUsd = (
    Annotated[float, Field(strict=True, ge=0, le=MOST_BUDGET_USD, allow_inf_nan=False)] | None
)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Page(BaseModel):
    """What pages have in common."""

    next: str | None = Field(description="What `after` gets for the next page; null on the last.")


class NewCollection(_Body):
    model_config = like(examples.NEW_COLLECTION)

    name: str = Field(
        description="1 to 100 letters, digits, '.', '-' or '_'.",
        json_schema_extra={"pattern": f"^{COLLECTION_NAME}$"},
    )


class IndexBody(_Body):
    model_config = like(examples.INDEX, examples.INDEX_FAST)

    method: Method | None = Field(
        default=None, description="Unset: standard where a model endpoint is set, else fast."
    )
    force_rebuild: Annotated[bool, Field(strict=True)] = False
    priority: Annotated[int, Field(strict=True, ge=1, le=5)] = Field(
        default=3,
        description="1 goes before 5 where runs compete; GRAPHMILL_PRIORITY_HIGHEST of the server"
        " says which is the best to be had.",
    )
    budget_usd: BudgetUsd = Field(
        default=None,
        description="The most that models may cost in this run; over it, the run ends in state"
        " over_budget, and the next one goes on.",
    )
    batch: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="Ask through the endpoint's Batch API: half the price, up to a day.",
    )


class RetryBody(_Body):
    model_config = like(examples.RETRY)

    budget_usd: BudgetUsd = Field(default=None, description="As of an index run.")


class DocumentIdsBody(_Body):
    model_config = like(examples.DOCUMENT_IDS)

    documents: list[UUID] = Field(min_length=1, max_length=10_000)


class QueryBody(_Body):
    model_config = like(examples.QUESTION)

    question: str
    mode: Literal["local", "basic"] = Field(
        default="local", description="Those that this release has."
    )
    stream: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="The answer comes as server-sent events."
    )


class RefusedTexts(BaseModel):
    vector_index: str
    reason: str
    texts: int


class Embeddings(BaseModel):
    missing: int = Field(description="Texts without a vector, since the model refuses them.")
    cut: int = Field(description="Texts whose vector is that of their beginning.")
    reasons: list[RefusedTexts] = Field(description="Why some are missing; the most frequent.")


class MissingAnswers(BaseModel):
    kind: str = Field(description="report or summary.")
    reason: str
    count: int


class ModelGaps(BaseModel):
    missing: int
    reports: int = Field(description="Extractive ones, since no model gave them.")
    summaries: int = Field(description="Descriptions that are listed, since no model gave them.")
    reasons: list[MissingAnswers] = Field(description="Why; the most frequent.")


class DocumentCounts(BaseModel):
    total: int
    uploaded: int
    pending: int
    done: int
    partial: int
    failed: int
    skipped: int


class Collection(BaseModel):
    model_config = like(examples.COLLECTION)

    name: str
    created_at: datetime
    documents: DocumentCounts
    text_units: int
    entities: int
    relationships: int
    communities: int
    embeddings: Embeddings
    model_gaps: ModelGaps


class CollectionPage(Page):
    model_config = like(examples.COLLECTIONS)

    collections: list[Collection]


class Document(BaseModel):
    id: UUID
    name: str
    version: str = Field(description="SHA-256 of the bytes.")
    size: int
    creation_date: datetime
    state: DocumentState
    reason: str = Field(description="Why it failed, was skipped or is partial.")
    format: str
    title: str
    pages: int
    text_units: int


class Paid(BaseModel):
    calls: int = Field(description="Answers that were paid for.")
    prompt_tokens: int
    completion_tokens: int
    usd: float


class ShownDocument(Document):
    model_config = like(examples.DOCUMENT)

    model: Paid = Field(description="What models cost for it, over all runs.")


class DocumentPage(Page):
    model_config = like(examples.DOCUMENTS)

    documents: list[Document]


class UploadedDocument(BaseModel):
    id: UUID
    name: str
    version: str


class Uploaded(BaseModel):
    model_config = like(examples.UPLOADED)

    new: int
    changed: int
    unchanged: int
    documents: list[UploadedDocument]


class Limits(BaseModel):
    """Of one request of documents."""

    model_config = like(examples.LIMITS)

    document_bytes: int = Field(description="A file has so many at most.")
    upload_bytes: int = Field(description="All files of a request together.")
    upload_files: int


class RunRef(BaseModel):
    model_config = like(examples.RUN_REF)

    run_id: UUID
    workflow_id: str
    collection: str
    joined: bool = Field(description="A run was under way and takes the documents in.")


class Retried(RunRef):
    model_config = like(examples.RETRIED)

    documents: int = Field(description="Failed and partial documents that are read again.")
    texts: int = Field(description="Texts without a vector that are asked for again.")
    answers: int = Field(description="Reports and summaries that are asked for again.")


class RunDocuments(BaseModel):
    total: int
    done: int
    failed: int
    skipped: int
    partial: int = Field(description="Done, but for text units without a usable answer.")


class Failure(BaseModel):
    document: UUID
    path: str
    reason: str


class ModelUse(BaseModel):
    calls: int = Field(description="Answers that were paid for.")
    cached: int = Field(description="Questions answered from what was paid before.")
    prompt_tokens: int
    completion_tokens: int
    usd: float


class RunModelUse(ModelUse):
    steps: dict[str, ModelUse]
    models: dict[str, ModelUse]


class Projection(BaseModel):
    store: str
    current: bool = Field(description="It holds the graph that queries see.")
    behind_seconds: float | None
    tries: int = Field(description="In vain, since it was last written.")
    reason: str


class Run(BaseModel):
    model_config = like(examples.RUN)

    run_id: UUID
    workflow_id: str
    collection: str
    state: RunState
    phase: Phase
    documents: RunDocuments
    failures: list[Failure]
    text_units: int
    entities: int
    relationships: int
    communities: int
    reports: int
    embeddings: Embeddings
    model_gaps: ModelGaps
    projections: list[Projection] = Field(description="The other stores that hold the graph.")
    model: RunModelUse
    processed: int = Field(description="Documents that ended since the run began.")
    seconds: float
    documents_per_hour: float
    seconds_left: float | None
    reason: str
    method: Method | None = Field(description="null until a worker has opened the run.")
    budget_usd: float | None


class Citation(BaseModel):
    number: int
    document_id: UUID
    title: str
    text_unit_id: UUID
    text: str
    page: int | None


class ScoredEntity(BaseModel):
    title: str
    type: str
    description: str
    score: float


class Answer(BaseModel):
    model_config = like(examples.ANSWER)

    answer: str
    mode: str
    citations: list[Citation]
    entities: list[ScoredEntity]
    seconds: float


class AnswerPart(BaseModel):
    """Of an answer that comes as events; all parts one behind the other are the answer."""

    text: str


class RunningActivity(BaseModel):
    activity: str
    workflow_id: str
    worker: str
    seconds: float = Field(description="Since it began, in this try.")
    attempt: int


class RolePools(BaseModel):
    workers: int = Field(description="Processes.")
    size: int = Field(description="Tasks that they take at a time, together.")
    active: int | None = Field(
        description="Activities that run now; null for role workflow: its tasks take no time."
    )
    queued: int | None = Field(
        description="Tasks that no worker has taken yet, about; null where Temporal does not say."
    )
    utilisation: float | None = Field(description="active / size, 0 to 1.")
    running: list[RunningActivity] = Field(description="Those that have run longest, 20 at most.")


class AllPools(BaseModel):
    model_config = like(examples.POOLS)

    roles: dict[str, RolePools]


class Part(BaseModel):
    ok: bool
    detail: str


class Live(BaseModel):
    ok: bool
    version: str


class Health(BaseModel):
    model_config = like(examples.HEALTH)

    ok: bool
    version: str
    parts: dict[str, Part]
