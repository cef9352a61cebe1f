"""What crosses Temporal of prompts that a model drafts."""

from dataclasses import dataclass
from uuid import UUID

from graphmill.models import CollectionKey

TUNE_PROMPTS = "TunePrompts"


def tune_workflow_id(key: CollectionKey) -> str:
    return f"tune/{key.tenant}/{key.name}"


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
