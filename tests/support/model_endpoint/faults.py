"""Faults and slips, drawn at every try; and what some of them do to an answer's text."""

from enum import StrEnum
from random import Random

from tests.support.model_endpoint.behaviour import Behaviour


class Fault(StrEnum):
    """In the order of `Behaviour.rates`."""

    ERROR_429 = "429"
    ERROR_500 = "500"
    ERROR_503 = "503"
    HANG = "hang"
    CUT = "cut"
    TRUNCATED = "truncated"
    TRICKLE = "trickle"
    FENCED = "fenced"
    TRAILING_COMMA = "trailing_comma"


_FAULTS = tuple(Fault)


def draw(behaviour: Behaviour, random: Random) -> Fault | None:
    point = random.random()
    for fault, rate in zip(_FAULTS, behaviour.rates, strict=True):
        if point < rate:
            return fault
        point -= rate
    return None


def is_json(text: str) -> bool:
    return text.startswith("{") and text.endswith("}")


def fenced(text: str) -> str:
    return f"```json\n{text}\n```"


def with_trailing_comma(text: str) -> str:
    return f"{text[:-1]},}}"


def cut_off(text: str) -> str:
    """In the middle. Half of an object is never one."""
    return text[: len(text) // 2]
