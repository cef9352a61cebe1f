"""How many calls an endpoint may have, and when: one decision for the whole fleet.

All workers tell the same row what they do and want, one after the other, and `decide` says what
each may do. It is a function of that row alone: no worker has to be alive for a limit to hold, and
a worker that is silent for LEASE_SECONDS has no places any more.

Three limits hold at once. Places (calls in the air) are shared out fairly among who wants them.
Requests and tokens a minute are paced: each call gets a time at which it may start, evenly spaced
(GCRA, ITU-T I.371, with no burst). Tokens are known only when the answer is there: they are spaced
by what calls of late took, and reserved whole (prompt plus the most that may be answered) in a
window of a minute, which is never overdrawn and gets back what was not used. And places adapt by
what the endpoint shows: fewer by a factor when it is overloaded, more again in growing steps when
it is not (AIMD, Chiu and Jain 1989; the steps near a known ceiling are few, as in CUBIC, RFC 9438).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

# A worker that has said nothing for so long is gone, and its places are free. It starts nothing
# itself when it could not ask for most of that time.
LEASE_SECONDS = 10.0

# Starts are given out so far ahead at most: more than a worker's beat, so that none is missed; not
# much more, since what a worker that dies takes with it is lost.
_AHEAD_SECONDS = 1.0
# Buckets of the window of tokens: one more than a minute, and those ahead.
_BUCKET_SECONDS = 0.5
_WINDOW_BUCKETS = 121
_AHEAD_BUCKETS = 3
# How much the last call counts in what calls take of what is reserved for them.
_SMOOTHING = 0.05
# Requests start at this share of the rate: what lies evenly when it leaves us may arrive a little
# later or earlier, and the endpoint counts what arrives.
_PACE = 0.98

_DECREASE = 0.7
# Calls that were in the air when places were taken away say nothing new.
_SETTLE_SECONDS = 1.0
# Near the places at which an endpoint last was overloaded, a try this often.
_PROBE_SECONDS = 7.0
_NEAR = 0.95
_RISE_SECONDS = 0.5
_FIRST_STEP = 1.0
# An endpoint of which nothing is known begins with so many.
_FIRST_PLACES = 32
# Failures to reach it, or to hear from it, one after the other, until it counts as dead; then it is
# tried this often.
DEAD_AFTER = 5
_DEAD_SECONDS = (1.0, 2.0, 5.0, 10.0, 15.0)


@dataclass(frozen=True, slots=True)
class Limits:
    """What is allowed at most. None: as many as one likes. `adapts`: `places` is only a bound, and
    how many the endpoint has is found out."""

    places: int
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    adapts: bool = False


@dataclass(frozen=True, slots=True)
class EndpointState:
    """What the row of an endpoint holds. Times are seconds of the database's clock."""

    allowed: float
    step: float = _FIRST_STEP
    ceiling: float | None = None
    lowered_at: float = 0.0
    raised_at: float = 0.0
    closed_until: float = 0.0
    failures: int = 0
    next_request: float = 0.0
    next_token: float = 0.0
    # Tokens by the bucket in which their call starts, the last at `window_end`; of what is
    # reserved, the share that calls take.
    token_window: tuple[float, ...] = ()
    window_end: int = 0
    used_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker saw since its last word: calls that were answered, refused because there were
    too many (429, 503, 529, a timeout), or did not reach anything. `hung`: those that had no answer
    in time while no other had one either, be they too many or not. `retry_after`: seconds from now
    for which the endpoint wants to be left alone. `slow`: its answers take far longer than they
    did at its best."""

    answered: int = 0
    overloaded: int = 0
    unreachable: int = 0
    hung: int = 0
    retry_after: float = 0.0
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Tries:
    """How calls ended since a worker's last word, for people who watch: nothing is decided by it.
    `refused`: the endpoint will never answer them. `failed`: unreachable, or half an answer."""

    answered: int = 0
    overloaded: int = 0
    timed_out: int = 0
    failed: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """What another worker holds (the larger of its places and its calls in the air) and wants."""

    held: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Settled:
    """A call that ended: when it was to start (the database's clock), and its tokens."""

    started: float
    reserved: int
    used: int


@dataclass(frozen=True, slots=True)
class Ask:
    """A worker's word: calls in the air, callers that wait, the tokens that the next of them may
    take (prompt plus most that may be answered), and calls that ended, where tokens are limited."""

    in_flight: int
    waiting: int
    starts: tuple[int, ...] = ()
    settled: tuple[Settled, ...] = ()
    report: Report = Report()
    tries: Tries = Tries()

    @property
    def wanted(self) -> int:
        return self.in_flight + self.waiting


@dataclass(frozen=True, slots=True)
class Grant:
    """`places`: so many calls may be in the air. `paced`: each needs a time to start. `starts`:
    when the first callers may, on the clock that now says `now`. `closed`: for so many seconds
    nothing may start. `spare`: so many places more it might have had."""

    places: int
    now: float
    starts: tuple[float, ...] = ()
    spare: int = 0
    closed: float = 0.0
    paced: bool = False


def paced(limits: Limits) -> bool:
    return limits.requests_per_minute is not None or limits.tokens_per_minute is not None


def first_state(limits: Limits) -> EndpointState:
    allowed = min(_FIRST_PLACES, limits.places) if limits.adapts else limits.places
    return EndpointState(allowed=float(allowed))


def decide(
    limits: Limits, state: EndpointState, ask: Ask, others: Sequence[Share], now: float
) -> tuple[EndpointState, Grant]:
    """What a worker may do from now on, and what the endpoint's row says then.

    `others` are the shares of all other workers that are alive. However many workers ask, in
    whichever order, the places granted and not yet given back never exceed what is allowed, but
    for calls that were in the air when it was lowered.
    """
    in_air = ask.in_flight + sum(share.held for share in others)
    state = _adapt(limits, state, ask, in_air, now)
    if limits.tokens_per_minute:
        state = _settle(state, ask.settled, now)
    allowed = int(min(state.allowed, limits.places))
    if state.closed_until > now:
        closed = state.closed_until - now
        return state, Grant(0, now, closed=closed, paced=paced(limits))
    if state.failures >= DEAD_AFTER:  # one call goes ahead and looks
        allowed = 1
    free = allowed - sum(share.held for share in others)
    most = max(0, min(free, fair_share(allowed, allowed, [share.wanted for share in others])))
    places = min(most, ask.wanted)
    spare = most - places
    if not paced(limits):
        return state, Grant(places, now, spare=spare)
    room = max(0, places - ask.in_flight)
    state, starts = _pace(limits, state, ask.starts[:room], now)
    return state, Grant(places, now, starts, spare, paced=True)


def fair_share(allowed: int, mine: int, others: Sequence[int]) -> int:
    """Max-min fairness: who wants little gets it, the rest is shared in equal parts."""
    left, waiting = allowed, sorted(others)
    for position, wanted in enumerate(waiting):
        part = left // (len(waiting) - position + 1)
        if mine <= part:
            return mine
        left -= min(wanted, part)
    return min(mine, left)


def _adapt(
    limits: Limits, state: EndpointState, ask: Ask, in_air: int, now: float
) -> EndpointState:
    report = ask.report
    if report.answered and state.failures:
        allowed = state.allowed
        if state.failures >= DEAD_AFTER:  # back from the dead: not with all at once
            allowed = max(1.0, allowed / 2)
        state = replace(state, failures=0, allowed=allowed, raised_at=now)
    failed = report.unreachable + report.hung
    if failed and not report.answered:
        failures = state.failures + failed
        state = replace(state, failures=failures)
        if failures >= DEAD_AFTER and state.closed_until <= now:
            tries = min((failures - DEAD_AFTER) // 2, len(_DEAD_SECONDS) - 1)
            state = replace(state, closed_until=now + _DEAD_SECONDS[tries])
    if report.retry_after > 0:
        until = max(state.closed_until, now + report.retry_after)
        state = replace(state, closed_until=until)
    if report.overloaded:
        return _lower(state, in_air, now)
    if report.answered and not report.slow and in_air >= _NEAR * int(state.allowed):
        return _raise(limits, state, now)
    return state


def _lower(state: EndpointState, in_air: int, now: float) -> EndpointState:
    if now - state.lowered_at < _SETTLE_SECONDS:
        return state
    at = min(state.allowed, max(1.0, float(in_air)))
    return replace(
        state,
        allowed=max(1.0, at * _DECREASE),
        ceiling=at,
        step=_FIRST_STEP,
        lowered_at=now,
        raised_at=now,
    )


def _raise(limits: Limits, state: EndpointState, now: float) -> EndpointState:
    """Quickly where it was well before, carefully where it was not, then in doubling steps."""
    most = float(limits.places)
    if state.allowed >= most or now - state.raised_at < _RISE_SECONDS:
        return state
    if state.ceiling is not None:
        near = max(1.0, state.ceiling * _NEAR)
        if state.allowed < near:
            step = max(1.0, (near - state.allowed) / 4)
            allowed = min(near, most, state.allowed + step)
            return replace(state, allowed=allowed, raised_at=now)
        step = state.step
        if state.allowed <= state.ceiling:
            if now - state.raised_at < _PROBE_SECONDS:
                return state
            step += state.ceiling - state.allowed  # past it, or nothing would be learned
    else:
        # As TCP begins (slow start, RFC 5681): twice as many each time, until some are refused.
        step = max(state.step, state.allowed)
    return replace(
        state, allowed=min(most, state.allowed + step), step=2 * state.step, raised_at=now
    )


def _settle(state: EndpointState, settled: Sequence[Settled], now: float) -> EndpointState:
    """The window as it is now, and with what calls took instead of what was reserved for them."""
    end = _bucket(now) + _AHEAD_BUCKETS
    buckets = _WINDOW_BUCKETS + _AHEAD_BUCKETS
    moved = max(0, end - state.window_end)
    window = [*state.token_window[moved:], *[0.0] * buckets][:buckets]
    if not state.token_window:
        window = [0.0] * buckets
    share = state.used_share
    for call in settled:
        place = _bucket(call.started) - (end - buckets + 1)
        if 0 <= place < buckets:
            window[place] = max(0.0, window[place] - call.reserved + call.used)
        if call.used:
            taken = min(1.0, call.used / max(1, call.reserved))
            share += _SMOOTHING * (taken - share)
    return replace(state, token_window=tuple(window), window_end=end, used_share=share)


def _bucket(time: float) -> int:
    return int(time / _BUCKET_SECONDS)


def _pace(
    limits: Limits, state: EndpointState, starts: Sequence[int], now: float
) -> tuple[EndpointState, tuple[float, ...]]:
    between = 60 / (_PACE * limits.requests_per_minute) if limits.requests_per_minute else 0.0
    per_token = 60 / (_PACE * limits.tokens_per_minute) if limits.tokens_per_minute else 0.0
    request_at = max(now, state.next_request)
    token_at = max(now, state.next_token)
    window = list(state.token_window)
    times: list[float] = []
    for tokens in starts:
        start = max(request_at, token_at)
        if start - now > _AHEAD_SECONDS:
            break
        if limits.tokens_per_minute is not None:
            spent = sum(window)
            # One that is larger than the limit comes alone, or it would never come.
            if spent and spent + tokens > limits.tokens_per_minute:
                break
            window[_bucket(start) - state.window_end - 1] += tokens
        times.append(start)
        request_at = start + between
        token_at = start + tokens * state.used_share * per_token
    state = replace(state, next_request=request_at, next_token=token_at, token_window=tuple(window))
    return state, tuple(times)
