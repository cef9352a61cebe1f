"""What a graph lacks because a model did not give it, as people are told."""

from dataclasses import dataclass
from typing import Any

from graphmill.messages import COMMUNITY_FULL_CONTENT, ENTITY_DESCRIPTION, TEXT_UNIT_TEXT

REPORT = "report"
SUMMARY = "summary"

_NAMES = {
    TEXT_UNIT_TEXT: ("text unit", "text units"),
    ENTITY_DESCRIPTION: ("entity", "entities"),
    COMMUNITY_FULL_CONTENT: ("report", "reports"),
    REPORT: ("report", "reports"),
    SUMMARY: ("summary", "summaries"),
}


@dataclass(frozen=True, slots=True)
class Missing:
    """So many of a kind that are missing for one reason: texts of a vector index that have no
    vector, REPORT or SUMMARY."""

    kind: str
    reason: str
    count: int

    def __str__(self) -> str:
        return f"{_counted(self.count, self.kind)}: {self.reason}"


@dataclass(frozen=True, slots=True)
class EmbeddingGaps:
    """`missing` texts have no vector, `cut` ones that of their beginning. `reasons` say why there
    is none: the most frequent first, of very many not all."""

    missing: int = 0
    cut: int = 0
    reasons: tuple[Missing, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.cut)

    def __str__(self) -> str:
        told = (
            f"{self.missing:,} missing" if self.missing else "",
            f"{self.cut:,} of a text's beginning only, which is all that the model takes of it"
            if self.cut
            else "",
        )
        return ", ".join(filter(None, told)) or "complete"

    def to_json(self) -> dict[str, Any]:
        return {
            "missing": self.missing,
            "cut": self.cut,
            "reasons": [
                {"vector_index": one.kind, "reason": one.reason, "texts": one.count}
                for one in self.reasons
            ],
        }


@dataclass(frozen=True, slots=True)
class ModelGaps:
    """So many `reports` are extractive, and in the place of so many `summaries` stand the
    descriptions themselves, since no model gave any. `reasons` as of EmbeddingGaps."""

    reports: int = 0
    summaries: int = 0
    reasons: tuple[Missing, ...] = ()

    @property
    def missing(self) -> int:
        return self.reports + self.summaries

    def __bool__(self) -> bool:
        return bool(self.missing)

    def __str__(self) -> str:
        counts = ((self.reports, REPORT), (self.summaries, SUMMARY))
        told = " and ".join(_counted(count, kind) for count, kind in counts if count)
        return f"{told} missing" if told else "none"

    def to_json(self) -> dict[str, Any]:
        return {
            "missing": self.missing,
            "reports": self.reports,
            "summaries": self.summaries,
            "reasons": [
                {"kind": one.kind, "reason": one.reason, "count": one.count} for one in self.reasons
            ],
        }


def _counted(count: int, kind: str) -> str:
    one, several = _NAMES[kind]
    return f"{count:,} {one if count == 1 else several}"
