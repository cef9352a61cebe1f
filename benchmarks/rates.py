"""How fast rows are written, by a store and by its driver alone."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

Write = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Rate:
    """Seconds of the best round. `bare_words`: which way of the driver's was the fastest."""

    words: str
    rows: int
    store: float
    bare: float
    bare_words: str


async def measure_rate(
    words: str, rows: int, rounds: int, empty: Write, store: Write, bare: Mapping[str, Write]
) -> Rate:
    """Each way writes the same rows, once a round, into tables that `empty` has emptied. In turns,
    so that a slow minute of the machine hits all."""
    ways = {"": store, **bare}
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, write in ways.items():
            await empty()
            began = time.monotonic()
            await write()
            best[name] = min(best[name], time.monotonic() - began)
    fastest = min(bare, key=lambda name: best[name])
    return Rate(words, rows, best[""], best[fastest], fastest)
