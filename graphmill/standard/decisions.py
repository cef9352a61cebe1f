"""What was decided of two titles: whether they mean one thing, by which step, and why."""

from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """By which step of the cascade a pair was decided."""

    TITLE = "title"
    SIMILAR = "similar"
    MODEL = "model"
    PERSON = "person"


@dataclass(frozen=True, slots=True, order=True)
class Decision:
    """Whether two titles, the smaller first, mean one thing."""

    title: str
    other: str
    same: bool
    step: Step
    reason: str
