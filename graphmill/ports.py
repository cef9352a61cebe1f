"""What activities need from the world, as Protocols: stores, a pool of processes, an embedder."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar
from uuid import UUID

from graphmill.clustering import ClusterEntity, Clustering, ClusterRelationship, LastClustering
from graphmill.errors import FailureReason
from graphmill.messages import (
    DocumentPage,
    GraphShard,
    MergedGraph,
    OpenRun,
    Recipe,
    RunRecord,
)
from graphmill.models import (
    CollectionKey,
    Community,
    CommunityReport,
    DocumentState,
    Method,
    ProcessedDocument,
)
from graphmill.reports import ReportContext
from graphmill.standard.community_context import ReportClaim
from graphmill.standard.decisions import Decision
from graphmill.standard.entity_groups import Groups
from graphmill.standard.extracted import ExtractedClaims, ModelExtraction
from graphmill.standard.title_search import SeenTitles

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as it waits to be read. `version` is the SHA-256 of its bytes; `read_by` that of
    what its text units were made by, None if there are none."""

    id: UUID
    name: str
    version: bytes
    size: int
    state: DocumentState
    reason: str
    read_by: bytes | None = None


@dataclass(frozen=True, slots=True)
class UnextractedUnit:
    """A text unit that a model is still to be asked about."""

    id: UUID
    text: str


@dataclass(frozen=True, slots=True)
class ExtractedDocument:
    """How many text units and entities (counted once a text unit) there are; `failed` text units
    have none, for reasons of which `failure` is the first text unit's; so with claims, where they
    are asked for."""

    text_units: int
    entities: int
    failed: int = 0
    failure: str = ""
    failed_claims: int = 0
    claims_failure: str = ""

    @property
    def state(self) -> DocumentState:
        """Claims alone fail no document: what the graph is made of is there."""
        if self.failed and self.failed == self.text_units:
            return DocumentState.FAILED
        missing = self.failed or self.failed_claims
        return DocumentState.PARTIAL if missing else DocumentState.DONE

    @property
    def reason(self) -> str:
        """Why the document is partial or failed; "" where it is done."""
        missing = (
            (self.failed, "no usable answer", self.failure),
            (self.failed_claims, "no usable answer about claims", self.claims_failure),
        )
        parts = [
            f"{count:,} of {self.text_units:,} text units have {what}, the first of them because"
            f" {why}"
            for count, what, why in missing
            if count
        ]
        if not parts:
            return ""
        return f"{FailureReason.MODEL}: {'; '.join(parts)}; `graphmill retry` asks for these alone"


@dataclass(frozen=True, slots=True)
class GraphToCluster:
    """A merged graph, in canonical order. text_unit_dates: by text unit id, ISO."""

    entities: tuple[ClusterEntity, ...]
    relationships: tuple[ClusterRelationship, ...]
    text_unit_dates: dict[UUID, str]


@dataclass(frozen=True, slots=True)
class Descriptions:
    """What several text units say of an entity (one title) or a relationship (two)."""

    id: UUID
    titles: tuple[str, ...]
    descriptions: tuple[str, ...]


class IndexingStore(Protocol):
    """What a run reads and writes while documents are indexed."""

    async def open_run(self, opening: OpenRun, method: Method, recipe: bytes) -> None:
        """Write the run's row and put in line what was made by another recipe.

        Raises NotFound where the collection does not exist. Done again, it changes nothing."""
        ...

    async def refuse_run(self, opening: OpenRun, method: Method, reason: str) -> None:
        """Write the row of a run that cannot be: it ended failed before it began.

        Raises NotFound where the collection does not exist."""
        ...

    async def graph_to_embed(self, key: CollectionKey, model: str) -> int | None:
        """The published graph, where its vectors are not by this model of an endpoint ("": by the
        local one), or the model refused some of its texts."""
        ...

    async def has_model_gaps(self, key: CollectionKey) -> bool:
        """Whether no model gave some of the published graph's reports or summaries."""
        ...

    async def record_run(self, record: RunRecord) -> RunRecord:
        """Write state and phase; gives back what is written. Where the state is an end, documents
        that stand failed, texts without a vector, and reports and summaries that no model gave
        turn COMPLETED into COMPLETED_WITH_FAILURES."""
        ...

    async def next_page(self, key: CollectionKey, after: int, limit: int) -> DocumentPage:
        """Plan what was uploaded (equal bytes once), then the next pending documents in line."""
        ...

    async def load_document(
        self, key: CollectionKey, document_id: UUID
    ) -> StoredDocument | None: ...

    async def load_content(self, key: CollectionKey, version: bytes) -> bytes: ...

    async def save_processed(
        self,
        key: CollectionKey,
        document: StoredDocument,
        processed: ProcessedDocument,
        read_by: bytes,
        recipe: bytes | None,
    ) -> bool:
        """Replace what the document held, in one transaction. False: it changed meanwhile.

        It is done, by this recipe; `recipe` None: it goes on waiting, for extractions by a model.
        """
        ...

    async def save_ended(
        self,
        key: CollectionKey,
        document_id: UUID,
        version: bytes | None,
        state: DocumentState,
        reason: str,
        recipe: bytes | None,
    ) -> bool:
        """End a pending document failed or skipped; its text units go. False: it has changed.

        `version` None means whatever version it has."""
        ...


class ModelExtractionStore(Protocol):
    """What models found in text units, text unit by text unit."""

    async def load_document(
        self, key: CollectionKey, document_id: UUID
    ) -> StoredDocument | None: ...

    async def pending_documents(
        self, key: CollectionKey, after: UUID, limit: int
    ) -> tuple[StoredDocument, ...]:
        """The next that wait for their extractions, by id."""
        ...

    async def unextracted(
        self, key: CollectionKey, document_id: UUID, made_by: str
    ) -> tuple[UnextractedUnit, ...]:
        """The document's text units that have no extraction made by this, by position."""
        ...

    async def save_extractions(
        self,
        key: CollectionKey,
        made_by: str,
        extractions: Mapping[UUID, ModelExtraction | str],
    ) -> None:
        """By text unit; text says why there is none. Text units that are gone are left out."""
        ...

    async def unclaimed(
        self, key: CollectionKey, document_id: UUID, made_by: str
    ) -> tuple[UnextractedUnit, ...]:
        """The document's text units whose claims were not asked for by this, by position."""
        ...

    async def save_claims(
        self, key: CollectionKey, made_by: str, claims: Mapping[UUID, ExtractedClaims | str]
    ) -> None:
        """By text unit, as `save_extractions`."""
        ...

    async def end_extracted(
        self,
        key: CollectionKey,
        document: StoredDocument,
        made_by: str,
        recipe: bytes,
        claims_made_by: str = "",
    ) -> ExtractedDocument | None:
        """End the pending document: done, partial or failed. None: it changed meanwhile.

        `claims_made_by` "": claims are not asked for.
        """
        ...


class GraphStore(Protocol):
    """Graphs under construction, and their publishing."""

    async def merge_graph(self, key: CollectionKey, versions: str, *, afresh: bool) -> MergedGraph:
        """Fold all live extractions into a new graph; `versions` names later steps."""
        ...

    async def open_graph(
        self, key: CollectionKey, versions: str, *, afresh: bool, claims: bool = False
    ) -> int | None:
        """A new graph without rows; None where the published one is what a fold would give."""
        ...

    async def fold_model_extractions(
        self, key: CollectionKey, graph_id: int, *, claims: bool = False
    ) -> MergedGraph:
        """Fold all live extractions by a model, with or without live claims, into an opened graph,
        in place of what it holds."""
        ...

    async def load_for_clustering(self, graph_id: int) -> GraphToCluster: ...

    async def load_last_clustering(self, graph_id: int) -> LastClustering | None:
        """How the collection's published graph is clustered, and what is not in this graph as it is
        there; None where there is none, or another release clustered it."""
        ...

    async def save_communities(self, graph_id: int, clustering: Clustering) -> None: ...

    async def unreported(
        self, graph_id: int, after: int, most: int, most_entities: int
    ) -> tuple[ReportContext, ...]:
        """The next communities after this one (-1: from the first) that have no report yet, by
        number, with what a report is written from.

        So many at most, with so many entities together; one that has more comes alone.
        """
        ...

    async def save_reports(self, graph_id: int, reports: Sequence[CommunityReport]) -> None: ...

    async def count_reports(self, graph_id: int) -> int: ...

    async def publish_graph(
        self,
        key: CollectionKey,
        graph_id: int,
        embeddings: str,
        entity_types: Sequence[str] = (),
    ) -> None:
        """Queries see this graph from now on, with vectors by this model of an endpoint ("": by the
        local one); the one before goes, and what only it needed. `entity_types`: those that the
        collection asks for."""
        ...


class SummaryStore(Protocol):
    """Descriptions that wait to become one, in a graph under construction."""

    async def unsummarized(
        self, part: GraphShard, after: UUID, limit: int
    ) -> tuple[Descriptions, ...]:
        """The next that wait in this part of the graph, by id."""
        ...

    async def save_summaries(
        self, graph_id: int, summaries: Mapping[UUID, str], gaps: Mapping[UUID, str]
    ) -> None:
        """By id; they wait no longer. What does not wait stays as it is. `gaps`: why a model gave
        none, where descriptions stand in a summary's place."""
        ...


class ResolutionStore(Protocol):
    """Entities under several titles."""

    async def load_titles(self, key: CollectionKey) -> SeenTitles:
        """All of the live extractions, ascending."""
        ...

    async def load_descriptions(
        self, key: CollectionKey, titles: Collection[str]
    ) -> dict[str, tuple[str, ...]]:
        """By title, up to three descriptions, the longest first, 500 characters of each: of
        several documents that describe it each one's longest, of a single one its three longest.
        Titles without one are left out."""
        ...

    async def load_verdicts(self, key: CollectionKey) -> tuple[Decision, ...]:
        """What persons decided, ascending."""
        ...

    async def save_groups(self, graph_id: int, groups: Groups) -> None:
        """In place of what the graph has."""
        ...


@dataclass(frozen=True, slots=True)
class PlacedCommunity:
    """Where a community stands among others, by numbers. `reported`: its report is stored."""

    community: int
    level: int
    parent: int
    children: tuple[int, ...]
    size: int
    reported: bool


class ModelReportStore(Protocol):
    """Communities, and the reports on them that a model writes."""

    async def load_hierarchies(
        self, graph_id: int, shard: int, shards: int
    ) -> tuple[PlacedCommunity, ...]:
        """All communities under the roots of one shard (a root's number modulo `shards`)."""
        ...

    async def load_contexts(
        self, graph_id: int, communities: Sequence[int]
    ) -> tuple[ReportContext, ...]:
        """What reports on these communities are written from, in the order of their numbers
        here."""
        ...

    async def load_claims(
        self, graph_id: int, communities: Sequence[int]
    ) -> dict[int, tuple[ReportClaim, ...]]:
        """By community, the claims about its entities; one that several text units make alike is
        there once. Communities without any are left out."""
        ...

    async def load_reports(
        self, graph_id: int, communities: Sequence[int]
    ) -> tuple[tuple[Community, CommunityReport], ...]:
        """These communities, which have reports, with those; by number."""
        ...

    async def save_reports(
        self, graph_id: int, reports: Sequence[CommunityReport], gaps: Mapping[int, str]
    ) -> None:
        """What has a report already keeps that. `gaps`: by community, why no model gave its
        report, where it is an extractive one."""
        ...


class EmbeddingStore(Protocol):
    """Vectors under the ids of what was embedded."""

    async def unembedded(
        self,
        key: CollectionKey,
        graph_id: int,
        vector_index: str,
        model: str,
        after: UUID,
        limit: int,
    ) -> tuple[tuple[UUID, str], ...]:
        """The next (id, text), by id, of the graph that have no vector of this model yet."""
        ...

    async def upsert_vectors(
        self,
        key: CollectionKey,
        vector_index: str,
        model: str,
        vectors: Sequence[tuple[UUID, Sequence[float]]],
    ) -> None: ...

    async def note_gaps(
        self, key: CollectionKey, vector_index: str, model: str, gaps: Mapping[UUID, str]
    ) -> None:
        """Say of texts why they have no vector; "" of one that has that of its beginning. Done
        before the vector is kept: one that is there is not looked at again."""
        ...


class ProcessRunner(Protocol):
    """Runs functions in processes that may be killed."""

    async def run(
        self, function: Callable[..., T], /, *args: object, timeout_seconds: float
    ) -> T: ...


class Embedder(Protocol):
    @property
    def model(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> list[list[float]]: ...


class DocumentRecipe(Protocol):
    """Digest of how documents are read: see graphmill.processing.recipe."""

    def __call__(self, recipe: Recipe) -> bytes: ...
