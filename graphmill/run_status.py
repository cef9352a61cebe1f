"""How a run stands, as `index --wait`, `status` and GET /v1/runs/{id} tell it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from graphmill.gaps import EmbeddingGaps, ModelGaps
from graphmill.models import Method, Phase, RunState
from graphmill.projections.standing import ProjectionStanding

END_STATES = frozenset(
    (
        RunState.COMPLETED,
        RunState.COMPLETED_WITH_FAILURES,
        RunState.CANCELLED,
        RunState.FAILED,
        RunState.OVER_BUDGET,
    )
)


@dataclass(frozen=True, slots=True)
class DocumentTotals:
    """Documents of a collection; those that still wait are in `total` only. Partial ones are done
    but for some text units."""

    total: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    partial: int = 0

    @property
    def with_failures(self) -> int:
        """What `retry` puts in line again."""
        return self.failed + self.partial


@dataclass(frozen=True, slots=True)
class DocumentFailure:
    """`path` is the document's name in its collection, `reason` "code: words"."""

    document: UUID
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What was asked of models: answers that were paid for (bad ones too), questions answered from
    what was paid before, tokens, and money in 1e-9 dollars."""

    calls: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    nano_usd: int = 0

    def __add__(self, other: "ModelUse") -> "ModelUse":
        return ModelUse(
            self.calls + other.calls,
            self.cached + other.cached,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.nano_usd + other.nano_usd,
        )

    @property
    def usd(self) -> float:
        return self.nano_usd / 1e9

    def to_json(self) -> dict[str, Any]:
        return {
            "calls": self.calls,
            "cached": self.cached,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "usd": self.usd,
        }


@dataclass(frozen=True, slots=True)
class RunModelUse:
    """What a run asked of models: in all, by step and by model; nothing for method fast."""

    total: ModelUse = ModelUse()
    steps: Mapping[str, ModelUse] = field(default_factory=dict[str, ModelUse])
    models: Mapping[str, ModelUse] = field(default_factory=dict[str, ModelUse])

    def to_json(self) -> dict[str, Any]:
        return self.total.to_json() | {
            "steps": {name: use.to_json() for name, use in self.steps.items()},
            "models": {name: use.to_json() for name, use in self.models.items()},
        }


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Documents, failures, embeddings and projections are the collection's, graph figures and model
    gaps those of its published graph.

    `processed` counts the documents that ended since the run began; `seconds_left` is None where
    nothing can be foretold. `reason` says why a run failed. `method` is None until a worker has
    opened the run, `budget_usd` where it has none.
    """

    run_id: str
    workflow_id: str
    tenant: str
    collection: str
    state: RunState
    phase: Phase
    reason: str
    documents: DocumentTotals
    failures: tuple[DocumentFailure, ...]
    text_units: int
    entities: int
    relationships: int
    communities: int
    reports: int
    processed: int
    seconds: float
    model: RunModelUse = field(default_factory=RunModelUse)
    method: Method | None = None
    budget_usd: float | None = None
    embeddings: EmbeddingGaps = field(default_factory=EmbeddingGaps)
    model_gaps: ModelGaps = field(default_factory=ModelGaps)
    projections: tuple[ProjectionStanding, ...] = ()

    @property
    def ended(self) -> bool:
        return self.state in END_STATES

    @property
    def has_failures(self) -> bool:
        """Whether there is something that `retry` asks for again."""
        return bool(self.documents.with_failures or self.embeddings.missing or self.model_gaps)

    @property
    def documents_left(self) -> int:
        counts = self.documents
        return counts.total - counts.done - counts.failed - counts.skipped - counts.partial

    @property
    def documents_per_hour(self) -> float:
        return self.processed / self.seconds * 3600 if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """For the documents that are left, at the rate so far; what comes after is not foretold."""
        if self.ended or self.phase is not Phase.DOCUMENTS or not self.processed:
            return None
        return self.documents_left * self.seconds / self.processed

    def to_json(self) -> dict[str, Any]:
        """The keys that scripts rely on, and after them some that only people look at."""
        return {
            "run_id": self.run_id,
            "workflow_id": self.workflow_id,
            "collection": self.collection,
            "state": str(self.state),
            "phase": str(self.phase),
            "documents": {
                "total": self.documents.total,
                "done": self.documents.done,
                "failed": self.documents.failed,
                "skipped": self.documents.skipped,
                "partial": self.documents.partial,
            },
            "failures": [
                {"document": str(f.document), "path": f.path, "reason": f.reason}
                for f in self.failures
            ],
            "text_units": self.text_units,
            "entities": self.entities,
            "relationships": self.relationships,
            "communities": self.communities,
            "reports": self.reports,
            "embeddings": self.embeddings.to_json(),
            "model_gaps": self.model_gaps.to_json(),
            "projections": [standing.to_json() for standing in self.projections],
            "model": self.model.to_json(),
            "processed": self.processed,
            "seconds": round(self.seconds, 3),
            "documents_per_hour": round(self.documents_per_hour, 1),
            "seconds_left": None if self.seconds_left is None else round(self.seconds_left, 1),
            "reason": self.reason,
            "method": None if self.method is None else str(self.method),
            "budget_usd": self.budget_usd,
        }
