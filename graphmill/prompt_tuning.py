"""What crosses Temporal of prompts that a model drafts."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from graphmill.errors import InvalidRequest
from graphmill.index_request import check_budget
from graphmill.models import CollectionKey
from graphmill.written_by_hand import read_fields, read_key

TUNE_PROMPTS = "TunePrompts"
DEFAULT_SAMPLE = 16
MAX_SAMPLE = 64
"""Text units."""


def tune_workflow_id(key: CollectionKey) -> str:
    return f"tune/{key.tenant}/{key.name}"


@dataclass(frozen=True, slots=True)
class TuneRequest:
    """Draft prompts from so many text units of a collection; the budget as of IndexRequest."""

    key: CollectionKey
    sample: int = DEFAULT_SAMPLE
    budget_usd: float | None = None

    def __post_init__(self) -> None:
        """
        Raises:
            InvalidRequest: the sample is none.
        """
        if not 1 <= self.sample <= MAX_SAMPLE:
            raise InvalidRequest(
                f"sample is {self.sample}; expected are 1 to {MAX_SAMPLE} text units"
            )

    def to_json(self) -> dict[str, Any]:
        return {
            "collection": self.key.name,
            "tenant": self.key.tenant,
            "sample": self.sample,
            "budget_usd": self.budget_usd,
        }

    @classmethod
    def from_json(cls, value: object) -> "TuneRequest":
        """Check JSON written by hand.

        Raises:
            InvalidRequest: says which field is missing, misspelt or wrong, and what is expected.
        """
        known = ("collection", "tenant", "sample", "budget_usd")
        fields = read_fields(value, known, ("collection",), '{"collection": "NAME"}')
        sample = fields.get("sample", DEFAULT_SAMPLE)
        if type(sample) is not int:
            raise InvalidRequest(f"sample is {sample!r}; expected is a whole number")
        return cls(read_key(fields), sample, check_budget(fields.get("budget_usd")))


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
