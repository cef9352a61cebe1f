"""Callers that wait, and who of them is next: by level, then fairly by key, then as they came.

Fair by stride scheduling: each key has a time of its own, which goes on by 1/weight with each of
its callers that is served, and the key that is furthest behind is next. One that had nobody waiting
begins at the time of who was served last: it is next soon, and has saved nothing up.
"""

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from graphmill.llm.turns import Turn

T = TypeVar("T")

_LEAST_WEIGHT = 0.001


class Line(Generic[T]):
    def __init__(self) -> None:
        self._waiting: dict[int, dict[str, deque[T]]] = {}
        self._turns: dict[T, Turn] = {}
        self._times: dict[str, float] = {}
        self._now = 0.0

    def __len__(self) -> int:
        return len(self._turns)

    def __contains__(self, caller: T) -> bool:
        return caller in self._turns

    def __iter__(self) -> Iterator[T]:
        """As they came."""
        return iter(self._turns)

    def in_turn(self) -> Iterator[T]:
        """In the order in which they would be served if nobody else came."""
        times = dict(self._times)
        for level in sorted(self._waiting):
            left = {key: deque(waiting) for key, waiting in self._waiting[level].items()}
            while left:
                key = min(left, key=times.__getitem__)
                caller = left[key].popleft()
                times[key] += _step(self._turns[caller])
                if not left[key]:
                    del left[key]
                yield caller

    def add(self, caller: T, turn: Turn) -> None:
        self._turns[caller] = turn
        self._waiting.setdefault(turn.level, {}).setdefault(turn.key, deque()).append(caller)
        self._times[turn.key] = max(self._times.get(turn.key, 0.0), self._now)

    def next(self) -> T:
        """Serve who is next; there is somebody."""
        keys = self._waiting[min(self._waiting)]
        caller = keys[min(keys, key=self._times.__getitem__)][0]
        self.serve(caller)
        return caller

    def serve(self, caller: T) -> None:
        """Whether it is next or not."""
        turn = self._turns[caller]
        self._now = max(self._now, self._times[turn.key])
        self._times[turn.key] += _step(turn)
        self.leave(caller)

    def leave(self, caller: T) -> None:
        """Without being served."""
        turn = self._turns.pop(caller)
        keys = self._waiting[turn.level]
        keys[turn.key].remove(caller)  # mostly its first
        if not keys[turn.key]:
            del keys[turn.key]
        if not keys:
            del self._waiting[turn.level]
        if not self._turns:
            # Nobody is to be remembered for long: a process lives for months.
            self._times = {key: time for key, time in self._times.items() if time > self._now}

    def clear(self) -> None:
        for caller in tuple(self._turns):
            self.leave(caller)


def _step(turn: Turn) -> float:
    return 1 / max(turn.weight, _LEAST_WEIGHT)
