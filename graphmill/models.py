"""The terms of GraphRAG as values. Frozen, without behaviour; the glossary is docs/glossary.md."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Method(StrEnum):
    """How a graph is extracted."""

    FAST = "fast"
    STANDARD = "standard"


class DocumentState(StrEnum):
    """UPLOADED: bytes are here, not yet planned. PENDING: planned for a run. The rest are ends.

    PARTIAL: done, but for text units that no model gave a good answer to.
    """

    UPLOADED = "uploaded"
    PENDING = "pending"
    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"
    SKIPPED = "skipped"


class RunState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    COMPLETED_WITH_FAILURES = "completed_with_failures"
    CANCELLED = "cancelled"
    FAILED = "failed"
    OVER_BUDGET = "over_budget"


class Phase(StrEnum):
    """What a run is doing now, in order."""

    STARTING = "starting"
    DOCUMENTS = "documents"
    GRAPH = "graph"
    DESCRIPTIONS = "descriptions"
    COMMUNITIES = "communities"
    EMBEDDINGS = "embeddings"
    PUBLISHING = "publishing"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class CollectionKey:
    """Which collection of which tenant: part of the key of every row."""

    tenant: str
    name: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page, slide or sheet: `start` and `end` are character offsets into ParsedDocument.text."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document's text (markdown: headings, tables) and where its pages lie in it.

    The text has no NUL and no lone surrogates (PostgreSQL takes neither). `pages` is empty for
    formats without pages; else ascending, and `number` starts at 1.
    """

    format: str
    title: str
    text: str
    pages: tuple[Page, ...] = ()


@dataclass(frozen=True, slots=True)
class TextUnit:
    """A chunk of a document. `position` counts from 0; pages are None for formats without pages."""

    id: UUID
    document_id: UUID
    position: int
    text: str
    n_tokens: int
    first_page: int | None = None
    last_page: int | None = None


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was found in one text unit, immutable; in columns, as it is stored.

    Entity i: titles[i] (upper case, no control characters, at most 200 characters), types[i],
    counts[i] (sentences that mention it), entity_sentences[i] (index of the first such sentence).
    Relationship j: between titles[sources[j]] < titles[targets[j]], weights[j] (sentences that
    mention both), relationship_sentences[j] (index of the first such sentence). Titles ascend and
    are unique; pairs ascend and are unique. Sentence k is text[sentence_starts[k]:sentence_ends[k]]
    of the text unit; only sentences that are referred to are kept.
    """

    titles: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    entity_sentences: tuple[int, ...] = ()
    sources: tuple[int, ...] = ()
    targets: tuple[int, ...] = ()
    weights: tuple[int, ...] = ()
    relationship_sentences: tuple[int, ...] = ()
    sentence_starts: tuple[int, ...] = ()
    sentence_ends: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ProcessedDocument:
    """A parsed document with its text units and, in the same order, their extractions."""

    parsed: ParsedDocument
    text_units: tuple[TextUnit, ...]
    extractions: tuple[Extraction, ...]


@dataclass(frozen=True, slots=True)
class Entity:
    """A node. `frequency` counts the text units that mention it, `degree` its relationships."""

    id: UUID
    human_readable_id: int
    title: str
    type: str
    description: str
    text_unit_ids: tuple[UUID, ...]
    frequency: int
    degree: int


@dataclass(frozen=True, slots=True)
class Community:
    """A group of entities. `parent` is -1 at level 0, the root. `period` is an ISO date or ""."""

    id: UUID
    community: int
    level: int
    parent: int
    children: tuple[int, ...]
    title: str
    entity_ids: tuple[UUID, ...]
    relationship_ids: tuple[UUID, ...]
    text_unit_ids: tuple[UUID, ...]
    period: str
    size: int


@dataclass(frozen=True, slots=True)
class Finding:
    summary: str
    explanation: str


@dataclass(frozen=True, slots=True)
class CommunityReport:
    """What a community is about. `rank` is 0 to 10."""

    id: UUID
    community: int
    level: int
    parent: int
    children: tuple[int, ...]
    title: str
    summary: str
    full_content: str
    rank: float
    rating_explanation: str
    findings: tuple[Finding, ...]
    full_content_json: str
    period: str
    size: int


@dataclass(frozen=True, slots=True)
class Citation:
    """A numbered pointer from an answer into a document."""

    number: int
    document_id: UUID
    title: str
    text_unit_id: UUID
    text: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    """A row of `documents list`."""

    id: UUID
    name: str
    version: str
    size: int
    creation_date: datetime
    state: DocumentState
    reason: str
    format: str
    title: str
    pages: int
    text_units: int


@dataclass(frozen=True, slots=True)
class ScoredEntity:
    title: str
    type: str
    description: str
    score: float


@dataclass(frozen=True, slots=True)
class Answer:
    answer: str
    mode: str
    citations: tuple[Citation, ...]
    entities: tuple[ScoredEntity, ...] = ()
    seconds: float = field(default=0.0, compare=False)
