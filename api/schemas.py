"""Bodies of requests and answers. Unknown fields of a request are refused."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from graphmill.models import DocumentState, Method, Phase, RunState


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewCollection(_Body):
    name: str = Field(description="1 to 100 letters, digits, '.', '-' or '_'.")


class IndexBody(_Body):
    method: Method = Method.FAST
    force_rebuild: Annotated[bool, Field(strict=True)] = False
    priority: Annotated[int, Field(strict=True, ge=1, le=5)] = 3


class QueryBody(_Body):
    question: str
    mode: str = Field(default="local", description="local or basic.")


class DocumentCounts(BaseModel):
    total: int
    uploaded: int
    pending: int
    done: int
    failed: int
    skipped: int


class Collection(BaseModel):
    name: str
    created_at: datetime
    documents: DocumentCounts
    text_units: int
    entities: int
    relationships: int
    communities: int


class CollectionPage(BaseModel):
    collections: list[Collection]
    next: str | None = Field(description="What `after` gets for the next page; null on the last.")


class Document(BaseModel):
    id: UUID
    name: str
    version: str = Field(description="SHA-256 of the bytes.")
    size: int
    creation_date: datetime
    state: DocumentState
    reason: str = Field(description="Why it failed or was skipped.")
    format: str
    title: str
    pages: int
    text_units: int


class DocumentPage(BaseModel):
    documents: list[Document]
    next: str | None = Field(description="What `after` gets for the next page; null on the last.")


class UploadedDocument(BaseModel):
    id: UUID
    name: str
    version: str


class Uploaded(BaseModel):
    new: int
    changed: int
    unchanged: int
    documents: list[UploadedDocument]


class RunRef(BaseModel):
    run_id: UUID
    workflow_id: str
    collection: str
    joined: bool = Field(description="A run was under way and takes the documents in.")


class Retried(RunRef):
    documents: int = Field(description="Failed documents that are read again.")


class RunDocuments(BaseModel):
    total: int
    done: int
    failed: int
    skipped: int


class Failure(BaseModel):
    document: UUID
    path: str
    reason: str


class ModelUse(BaseModel):
    calls: int
    cached: int
    prompt_tokens: int
    completion_tokens: int
    usd: float


class Run(BaseModel):
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
    model: ModelUse
    seconds: float
    documents_per_hour: float
    seconds_left: float | None
    reason: str


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
    answer: str
    mode: str
    citations: list[Citation]
    entities: list[ScoredEntity]
    seconds: float


class Part(BaseModel):
    ok: bool
    detail: str


class Health(BaseModel):
    ok: bool
    version: str
    parts: dict[str, Part]
