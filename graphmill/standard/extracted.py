"""What a model found in a text unit, as values; graphmill.standard.extract_graph and claims read
them."""

from dataclasses import dataclass, fields
from math import fsum
from typing import Literal

STRENGTH_STEPS = 8
"""A strength is so many steps of a whole one: eighths have exact sums, whatever their order."""

ClaimStatus = Literal["TRUE", "FALSE", "SUSPECTED"]


@dataclass(frozen=True, slots=True)
class ExtractedEntity:
    """`title` in upper case; descriptions are distinct and ascend."""

    title: str
    type: str
    descriptions: tuple[str, ...]


@dataclass(frozen=True, slots=True, order=True)
class Statement:
    """One thing said of two entities; `strength` is 1 to 10, in eighths."""

    type: str
    description: str
    strength: float


@dataclass(frozen=True, slots=True)
class ExtractedRelationship:
    """Between titles source < target, whichever acts; statements are distinct by type and
    description, and ascend."""

    source: str
    target: str
    statements: tuple[Statement, ...]

    @property
    def types(self) -> tuple[str, ...]:
        return tuple(sorted({one.type for one in self.statements if one.type}))

    @property
    def descriptions(self) -> tuple[str, ...]:
        return tuple(sorted({one.description for one in self.statements if one.description}))

    @property
    def strength(self) -> float:
        """The sum over all statements."""
        return fsum(one.strength for one in self.statements)


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many records were left out of a model's answers, by reason; `cut_descriptions` were
    kept, shortened.

    Types and patterns prune under a strict schema only. An end is missing where a relationship
    names what is no entity and may not become one. "Too many" is over 500 entities or 1,000
    relationships.
    """

    entities_without_title: int = 0
    entities_of_other_types: int = 0
    entities_too_many: int = 0
    relationships_of_other_types: int = 0
    relationships_outside_patterns: int = 0
    relationships_with_missing_end: int = 0
    relationships_to_itself: int = 0
    relationships_too_many: int = 0
    cut_descriptions: int = 0

    def __add__(self, other: "Pruned") -> "Pruned":
        names = [one.name for one in fields(self)]
        return Pruned(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(frozen=True, slots=True)
class ModelExtraction:
    """What a model found in one text unit: titles ascend and are unique, so do pairs. Every end is
    an entity here or, of a gleaning, in what was found before it. `added_ends` counts entities
    that only a relationship named."""

    entities: tuple[ExtractedEntity, ...] = ()
    relationships: tuple[ExtractedRelationship, ...] = ()
    pruned: Pruned = Pruned()
    added_ends: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """Subject and object are titles; object is "" where there is none. Dates are ISO 8601, perhaps
    of a year or a month, or "". `source_text` stands in the text, white space aside, or is ""."""

    subject: str
    object: str
    type: str
    description: str
    status: ClaimStatus
    start_date: str
    end_date: str
    source_text: str


@dataclass(frozen=True, slots=True)
class ExtractedClaims:
    """Claims are distinct and ascend. Left out: those without a subject, and those over 500. Kept
    without it: dates that are none, and source texts that do not stand in the text."""

    claims: tuple[Claim, ...] = ()
    without_subject: int = 0
    too_many: int = 0
    wrong_dates: int = 0
    wrong_source_texts: int = 0

    @property
    def left_out(self) -> dict[str, int]:
        """The counts by their names."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "claims"}
