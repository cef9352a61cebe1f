"""What a graph lacks because a model did not give it, as people are told."""

from dataclasses import dataclass
from typing import Any

from graphmill.messages import COMMUNITY_FULL_CONTENT, ENTITY_DESCRIPTION, TEXT_UNIT_TEXT

_NAMES = {
    TEXT_UNIT_TEXT: ("text unit", "text units"),
    ENTITY_DESCRIPTION: ("entity", "entities"),
    COMMUNITY_FULL_CONTENT: ("report", "reports"),
}


@dataclass(frozen=True, slots=True)
class Missing:
    """So many of a kind that are missing for one reason: texts of a vector index that have no
    vector."""

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


def _counted(count: int, kind: str) -> str:
    one, several = _NAMES[kind]
    return f"{count:,} {one if count == 1 else several}"
