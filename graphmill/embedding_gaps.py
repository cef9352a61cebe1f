"""Texts of a graph that its embedding model took in part or not at all, as people are told."""

from dataclasses import dataclass
from typing import Any

from graphmill.messages import COMMUNITY_FULL_CONTENT, ENTITY_DESCRIPTION, TEXT_UNIT_TEXT

_TEXTS = {
    TEXT_UNIT_TEXT: ("text unit", "text units"),
    ENTITY_DESCRIPTION: ("entity", "entities"),
    COMMUNITY_FULL_CONTENT: ("report", "reports"),
}


@dataclass(frozen=True, slots=True)
class RefusedTexts:
    """So many texts of a vector index that have no vector for one reason."""

    vector_index: str
    reason: str
    texts: int

    def __str__(self) -> str:
        one, several = _TEXTS[self.vector_index]
        return f"{self.texts:,} {one if self.texts == 1 else several}: {self.reason}"


@dataclass(frozen=True, slots=True)
class EmbeddingGaps:
    """`missing` texts have no vector, `cut` ones that of their beginning. `reasons` say why there
    is none: the most frequent first, of very many not all."""

    missing: int = 0
    cut: int = 0
    reasons: tuple[RefusedTexts, ...] = ()

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
                {"vector_index": one.vector_index, "reason": one.reason, "texts": one.texts}
                for one in self.reasons
            ],
        }
