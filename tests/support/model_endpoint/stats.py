"""What the simulated model has counted, as tests read it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class StepStats:
    """
    Attributes:
        new: of the begun, those whose request had not come before.
        first_start, last_end: when the first call of the step took a place, and the last gave its
            place back (now, where one is still in its place); None where none was.
        busy_seconds: the time that its calls were in their places, one added to the other.
        busy_share: that, of all that the places could have given between those two times.
    """

    begun: int
    new: int
    answered: int
    batch_answered: int
    in_air: int
    busy_seconds: float
    first_start: float | None
    last_end: float | None
    busy_share: float


@dataclass(frozen=True, slots=True)
class Stats:
    """All since the start or the last reset. Times are seconds since the start. Every call is in
    one place of: begun = answered + sum(refused) + sum(faults) + left + in_air.

    Attributes:
        answered: calls that got their whole answer, those with a slip among them.
        refused: what the behaviour refuses by rule: api_key, model, response_format, context,
            filtered, encoding_format, bad_request, requests_per_minute, tokens_per_minute, places,
            waiting_line.
        faults: what was drawn: 429, 500, 503, hang, cut, truncated; and max_tokens, where the
            answer was longer than the request allows.
        slips: among the answered: trickle, fenced, trailing_comma.
        left: calls whose client went away before the end.
        in_air: calls that wait or are worked on now. working: those in a place.
        distinct: different requests (by model, messages, response_format, max_tokens, temperature);
            lines of batches too, as in the next two.
        repeats: requests that had come before, whatever became of them.
        repeats_of_answered: requests whose whole answer had been sent before: paid for twice.
        overtime_seconds: what calls were in their places longer than asked for: where it grows,
            this process has too little of the machine.
        prompt_tokens, completion_tokens: of what was answered, whole or cut off, batches too.
        batches, batch_lines: that were made; batches_cancelled: by the client; batch_answered,
            batch_failed, batch_expired: lines.
        arrivals, arrival_tokens: of the first 200,000 calls, in order; 0 tokens for a refused one.
    """

    now: float
    places: int
    begun: int
    answered: int
    refused: dict[str, int]
    faults: dict[str, int]
    slips: dict[str, int]
    left: int
    in_air: int
    most_in_air: int
    working: int
    most_working: int
    waiting: int
    distinct: int
    repeats: int
    repeats_of_answered: int
    busy_seconds: float
    first_start: float | None
    last_end: float | None
    busy_share: float
    overtime_seconds: float
    prompt_tokens: int
    completion_tokens: int
    obeyed: int
    replayed: int
    replay_missed: int
    batches: int
    batches_cancelled: int
    batch_lines: int
    batch_answered: int
    batch_failed: int
    batch_expired: int
    steps: dict[str, StepStats]
    arrivals: list[float]
    arrival_tokens: list[int]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(content: bytes) -> "Stats":
        return _ADAPTER.validate_json(content)

    def most_requests_in(self, seconds: float = 60) -> int:
        """Arrivals in the fullest stretch of so many seconds, refused ones too."""
        return _most_in(seconds, self.arrivals, [1] * len(self.arrivals))

    def most_tokens_in(self, seconds: float = 60) -> int:
        """Tokens of what arrived in the fullest stretch of so many seconds."""
        return _most_in(seconds, self.arrivals, self.arrival_tokens)


_ADAPTER = TypeAdapter(Stats)


def _most_in(seconds: float, times: Sequence[float], amounts: Sequence[int]) -> int:
    most = total = first = 0
    for time, amount in zip(times, amounts, strict=True):
        total += amount
        while time - times[first] >= seconds:
            total -= amounts[first]
            first += 1
        most = max(most, total)
    return most
