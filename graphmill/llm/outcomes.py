"""How the calls of this process to one endpoint ended: counted once, for all who want to know.

The fleet is told what is new since the last word that it heard (for its limits, and for people who
watch); whether a call fails alone is seen by all that ended.
"""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from graphmill.llm.limits import Report, Settled, Tries
from graphmill.llm.slowness import Slowness

# Calls without an answer in time, of all of late: over it the endpoint has too much to do. A single
# one may be its question's own fault.
_MANY_TIMED_OUT = 0.15
_SMOOTHING = 0.1


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended, as far as limits go. `timed_out`: with no answer in time, which means
    overload where it happens to more than a few; `hung`: and no other was answered while it was in
    the air. `unreachable`: it could not be reached, or failed
    by itself. After some that were unreachable or hung, one after the other, the endpoint counts as
    dead. `refused`: it will never be answered, as it was asked. None of these: given up here."""

    answered: bool = False
    overloaded: bool = False
    timed_out: bool = False
    hung: bool = False
    unreachable: bool = False
    refused: bool = False
    retry_after: float = 0.0
    used_tokens: int | None = None
    seconds_per_token: float = 0.0


@dataclass(frozen=True, slots=True)
class Untold:
    """What the fleet has not heard yet. A call that timed out is overload in `report`, if many did
    when it ended, and always what it was in `tries`. `retry_after` is for who knows the time."""

    report: Report
    tries: Tries
    settled: tuple[Settled, ...]


class Tally:
    def __init__(self) -> None:
        # By field of Tries; of those that timed out, `crowded`: the ones that mean overload, and
        # `hung`.
        self._ended: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._settled: list[Settled] = []
        self._timed_out = 0.0  # of all calls of late
        self._slowness = Slowness()

    @property
    def answers(self) -> int:
        """Calls of this process that were answered, ever."""
        return self._ended["answered"]

    @property
    def faults(self) -> int:
        """Those that were not, and may be another time."""
        return self._ended["overloaded"] + self._ended["timed_out"] + self._ended["failed"]

    def note(self, outcome: Outcome) -> bool:
        """Whether it means that the endpoint has too much to do."""
        self._timed_out += _SMOOTHING * (outcome.timed_out - self._timed_out)
        crowded = outcome.timed_out and self._timed_out > _MANY_TIMED_OUT
        self._ended += Counter(
            answered=outcome.answered,
            overloaded=outcome.overloaded,
            timed_out=outcome.timed_out,
            crowded=crowded,
            hung=outcome.hung,
            failed=outcome.unreachable,
            refused=outcome.refused,
        )
        if outcome.seconds_per_token > 0:
            self._slowness.note(outcome.seconds_per_token)
        return outcome.overloaded or crowded

    def settle(self, call: Settled) -> None:
        """Where tokens are limited: what became of those that were reserved."""
        self._settled.append(call)

    @contextmanager
    def telling(self) -> Generator[Untold]:
        """A word to the fleet, one at a time. If the block raises it was not heard, and all that it
        said is said again with the next."""
        ended, settled = self._ended.copy(), tuple(self._settled)
        new = ended - self._told
        overloaded = new["overloaded"] + new.pop("crowded", 0)
        hung = new.pop("hung", 0)
        report = Report(new["answered"], overloaded, new["failed"], hung, slow=self._slowness.slow)
        yield Untold(report, Tries(**new), settled)
        # Not more than was said: calls have ended meanwhile.
        self._told = ended
        del self._settled[: len(settled)]
