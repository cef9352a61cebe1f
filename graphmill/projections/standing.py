"""How far stores that hold published graphs too are behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from graphmill.models import CollectionKey


@dataclass(frozen=True, slots=True)
class ProjectionStanding:
    """Of one collection in one store. `behind_seconds`: how long queries have seen a graph that the
    store does not hold whole yet; None: it holds it. `tries` in vain since it was last written, and
    why the last was."""

    store: str
    behind_seconds: float | None
    tries: int = 0
    reason: str = ""

    def __str__(self) -> str:
        """For people."""
        if self.behind_seconds is None:
            return "up to date"
        tries = f", {self.tries:,} tries in vain: {self.reason}" if self.tries else ""
        return f"{self.behind_seconds:,.0f} s behind{tries}"

    def to_json(self) -> dict[str, Any]:
        behind = self.behind_seconds
        return {
            "store": self.store,
            "current": behind is None,
            "behind_seconds": None if behind is None else round(behind, 3),
            "tries": self.tries,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class ProjectionFigures:
    """Of one store over all collections: how many it is behind with, the longest of those in
    seconds, and how many of them it fails to take."""

    store: str
    behind: int
    lag_seconds: float
    failing: int


class ProjectionStandings(Protocol):
    async def expect(self, key: CollectionKey, stores: Sequence[str]) -> None:
        """A collection is held by these stores, and no more by others."""
        ...

    async def note_synced(self, key: CollectionKey, store: str, version: str) -> None: ...

    async def note_failed(self, key: CollectionKey, store: str, reason: str) -> None:
        """What it held, it may hold no more."""
        ...

    async def forget(self, key: CollectionKey, store: str) -> None:
        """The store holds nothing of the collection."""
        ...
