"""What the simulated model notes of every call."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Literal

from tests.support.model_endpoint.busy_time import BusyTime
from tests.support.model_endpoint.stats import Stats, StepStats

_MOST_ARRIVALS = 200_000

Group = Literal["answered", "refused", "faults", "left"]


@dataclass(slots=True)
class Arrival:
    time: float
    tokens: int = 0


@dataclass(slots=True)
class Call:
    """`began`: when it got its place."""

    step: str
    digest: bytes
    arrival: Arrival
    began: float = 0.0


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a call."""

    group: Group
    kind: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(slots=True)
class _Step:
    begun: int = 0
    new: int = 0
    answered: int = 0
    batch_answered: int = 0
    in_air: int = 0
    busy: BusyTime = field(default_factory=BusyTime)


class Counts:
    def __init__(self) -> None:
        self._busy = BusyTime()
        self._in_air = 0
        self._steps: defaultdict[str, _Step] = defaultdict(_Step)
        self._forget()

    def reset(self, now: float) -> None:
        """Count anew. Calls that are in the air stay so, and count as begun."""
        self._forget()
        self._busy.restart(now)
        self._steps = defaultdict(_Step, {n: s for n, s in self._steps.items() if s.in_air})
        for step in self._steps.values():
            step.begun = step.in_air
            step.new = step.answered = step.batch_answered = 0
            step.busy.restart(now)

    def _forget(self) -> None:
        self._begun = self._most_in_air = self._in_air
        self._most_working = self._busy.in_use
        self._ended: Counter[Group] = Counter()
        self._refused: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._slips: Counter[str] = Counter()
        self._seen: set[bytes] = set()
        self._answered: set[bytes] = set()
        self._repeats = 0
        self._repeats_of_answered = 0
        self._prompt_tokens = 0
        self._completion_tokens = 0
        self._arrivals: list[Arrival] = []
        self.overtime = 0.0
        self._noted: Counter[str] = Counter()
        self.batches = 0
        self.batches_cancelled = 0
        self.batch_lines = 0
        self.batch_failed = 0
        self.batch_expired = 0

    def begin(self, step: str, digest: bytes, now: float) -> Call:
        of_step = self._steps[step]
        of_step.new += digest not in self._seen
        self._see(digest)
        self._begun += 1
        self._in_air += 1
        self._most_in_air = max(self._most_in_air, self._in_air)
        of_step.begun += 1
        of_step.in_air += 1
        call = Call(step, digest, Arrival(now))
        if len(self._arrivals) < _MOST_ARRIVALS:
            self._arrivals.append(call.arrival)
        return call

    def enter(self, call: Call, now: float) -> None:
        """It has its place."""
        call.began = now
        self._busy.enter(now)
        self._steps[call.step].busy.enter(now)
        self._most_working = max(self._most_working, self._busy.in_use)

    def leave(self, call: Call, now: float) -> None:
        self._busy.leave(now)
        self._steps[call.step].busy.leave(now)

    def end(self, call: Call, ended: Ended) -> None:
        self._in_air -= 1
        of_step = self._steps[call.step]
        of_step.in_air -= 1
        self._ended[ended.group] += 1
        self._prompt_tokens += ended.prompt_tokens
        self._completion_tokens += ended.completion_tokens
        match ended.group:
            case "answered":
                of_step.answered += 1
                self._answered.add(call.digest)
                if ended.kind:
                    self._slips[ended.kind] += 1
            case "refused":
                self._refused[ended.kind] += 1
            case "faults":
                self._faults[ended.kind] += 1
            case "left":
                pass

    def note(self, what: str) -> None:
        """obeyed, replayed, replay_missed; or nothing."""
        if what:
            self._noted[what] += 1

    def line_answered(self, step: str, digest: bytes, ended: Ended) -> None:
        """A line of a batch, whole or cut off."""
        self._see(digest)
        self._steps[step].batch_answered += 1
        self._prompt_tokens += ended.prompt_tokens
        self._completion_tokens += ended.completion_tokens
        if ended.group == "answered":
            self._answered.add(digest)

    def _see(self, digest: bytes) -> None:
        self._repeats += digest in self._seen
        self._repeats_of_answered += digest in self._answered
        self._seen.add(digest)

    def stats(self, now: float, places: int, waiting: int, *, arrivals: bool) -> Stats:
        shown = self._arrivals if arrivals else []
        return Stats(
            now=now,
            places=places,
            begun=self._begun,
            answered=self._ended["answered"],
            refused=dict(self._refused),
            faults=dict(self._faults),
            slips=dict(self._slips),
            left=self._ended["left"],
            in_air=self._in_air,
            most_in_air=self._most_in_air,
            working=self._busy.in_use,
            most_working=self._most_working,
            waiting=waiting,
            distinct=len(self._seen),
            repeats=self._repeats,
            repeats_of_answered=self._repeats_of_answered,
            busy_seconds=self._busy.seconds(now),
            first_start=self._busy.first_start,
            last_end=self._busy.last_end(now),
            busy_share=self._busy.share(places, now),
            overtime_seconds=self.overtime,
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._completion_tokens,
            obeyed=self._noted["obeyed"],
            replayed=self._noted["replayed"],
            replay_missed=self._noted["replay_missed"],
            batches=self.batches,
            batches_cancelled=self.batches_cancelled,
            batch_lines=self.batch_lines,
            batch_answered=sum(step.batch_answered for step in self._steps.values()),
            batch_failed=self.batch_failed,
            batch_expired=self.batch_expired,
            steps={name: _step_stats(step, places, now) for name, step in self._steps.items()},
            arrivals=[arrival.time for arrival in shown],
            arrival_tokens=[arrival.tokens for arrival in shown],
        )


def _step_stats(step: _Step, places: int, now: float) -> StepStats:
    return StepStats(
        begun=step.begun,
        new=step.new,
        answered=step.answered,
        batch_answered=step.batch_answered,
        in_air=step.in_air,
        busy_seconds=step.busy.seconds(now),
        first_start=step.busy.first_start,
        last_end=step.busy.last_end(now),
        busy_share=step.busy.share(places, now),
    )
