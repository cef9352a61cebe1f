"""Whose turn it is: what a caller is to the line in which it waits (for a place at an endpoint)."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """Of all who wait, those of the lowest `level` go first; among them every `key` (a tenant) gets
    its share, `weight` beside the others'. These are Temporal's priority key, fairness key and
    fairness weight, and mean the same."""

    level: int = 3
    key: str = ""
    weight: float = 1.0


_NOBODYS = Turn()
_turn: ContextVar[Turn] = ContextVar("turn", default=_NOBODYS)


@contextmanager
def taking_turns(turn: Turn) -> Generator[None]:
    """For all calls that are made in this block, and in tasks that it makes."""
    token = _turn.set(turn)
    try:
        yield
    finally:
        _turn.reset(token)


def current_turn() -> Turn:
    return _turn.get()
