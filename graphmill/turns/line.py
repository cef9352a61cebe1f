"""Callers that wait, and who of them is next: by level, then fairly by key, then as they came.

Fair by stride scheduling: each key has a time of its own, which goes on by 1/weight with each of
its callers that is served, and the key that is furthest behind is next. One that had nobody waiting
begins at the time of who was served last: it is next soon, and has saved nothing up.

Each level has a time of its own. One that waits for another stands still meanwhile: with one time
for all, who comes to it late would begin at the time of the other, far ahead of all who wait.
"""

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from graphmill.turns.turn import Turn

T = TypeVar("T")

_LEAST_WEIGHT = 0.001


class _Level(Generic[T]):
    """Who waits at one level."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[tuple[T, float]]] = {}  # with what each adds to its key
        self._times: dict[str, float] = {}
        self._now = 0.0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def in_turn(self) -> Iterator[T]:
        times = dict(self._times)
        left = {key: deque(waiting) for key, waiting in self._waiting.items()}
        while left:
            key = min(left, key=times.__getitem__)
            caller, step = left[key].popleft()
            times[key] += step
            if not left[key]:
                del left[key]
            yield caller

    def add(self, caller: T, turn: Turn) -> None:
        if turn.key not in self._waiting:
            self._waiting[turn.key] = deque()
            self._times[turn.key] = max(self._times.get(turn.key, 0.0), self._now)
        self._waiting[turn.key].append((caller, _step(turn)))

    def next(self) -> T:
        key = min(self._waiting, key=self._times.__getitem__)
        return self._waiting[key][0][0]

    def serve(self, caller: T, turn: Turn) -> None:
        self._now = max(self._now, self._times[turn.key])
        self._times[turn.key] += _step(turn)
        self.leave(caller, turn)

    def leave(self, caller: T, turn: Turn) -> None:
        self._waiting[turn.key].remove((caller, _step(turn)))  # mostly its first
        if not self._waiting[turn.key]:
            del self._waiting[turn.key]
        if not self._waiting:
            # Nobody is to be remembered for long: a process lives for months.
            self._times = {key: time for key, time in self._times.items() if time > self._now}


class Line(Generic[T]):
    def __init__(self) -> None:
        self._levels: dict[int, _Level[T]] = {}  # as many as there are priorities
        self._turns: dict[T, Turn] = {}

    def __len__(self) -> int:
        return len(self._turns)

    def __contains__(self, caller: T) -> bool:
        return caller in self._turns

    def __iter__(self) -> Iterator[T]:
        """As they came."""
        return iter(self._turns)

    def in_turn(self) -> Iterator[T]:
        """In the order in which they would be served if nobody else came."""
        for level in sorted(self._levels):
            yield from self._levels[level].in_turn()

    def add(self, caller: T, turn: Turn) -> None:
        self._turns[caller] = turn
        self._levels.setdefault(turn.level, _Level()).add(caller, turn)

    def next(self) -> T:
        """Serve who is next; there is somebody."""
        first = min(level for level, waiting in self._levels.items() if waiting)
        caller = self._levels[first].next()
        self.serve(caller)
        return caller

    def serve(self, caller: T) -> None:
        """Whether it is next or not."""
        turn = self._turns.pop(caller)
        self._levels[turn.level].serve(caller, turn)

    def leave(self, caller: T) -> None:
        """Without being served."""
        turn = self._turns.pop(caller)
        self._levels[turn.level].leave(caller, turn)

    def clear(self) -> None:
        for caller in tuple(self._turns):
            self.leave(caller)


def _step(turn: Turn) -> float:
    return 1 / max(turn.weight, _LEAST_WEIGHT)
