"""The decision that all workers' limits rest on, in a clock of the test's own."""

import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphmill.llm.limits import (
    Ask,
    EndpointState,
    Grant,
    Limits,
    Report,
    Settled,
    Share,
    decide,
    fair_share,
    first_state,
)

_NOTHING = Report()


@dataclass
class Worker:
    in_flight: int = 0
    waiting: int = 0
    places: int = 0

    @property
    def held(self) -> int:
        return max(self.places, self.in_flight)


@dataclass
class Fleet:
    """Workers that speak in turn, as the database's row lock makes them."""

    limits: Limits
    workers: list[Worker]
    now: float = 1000.0
    state: EndpointState = field(init=False)

    def __post_init__(self) -> None:
        self.state = first_state(self.limits)

    def speak(
        self,
        number: int,
        report: Report = _NOTHING,
        starts: tuple[int, ...] = (),
        settled: tuple[Settled, ...] = (),
    ) -> Grant:
        worker = self.workers[number]
        others = [
            Share(other.held, other.in_flight + other.waiting)
            for place, other in enumerate(self.workers)
            if place != number
        ]
        ask = Ask(worker.in_flight, worker.waiting, starts, settled, report)
        self.state, grant = decide(self.limits, self.state, ask, others, self.now)
        worker.places = grant.places
        return grant


moves = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["speak", "want", "start", "end"]),
        st.integers(0, 40),
    ),
    max_size=80,
)


@given(moves, st.integers(1, 30))
def test_places_of_a_fleet_never_exceed_what_is_allowed(
    moves: list[tuple[int, str, int]], places: int
) -> None:
    fleet = Fleet(Limits(places), [Worker() for _ in range(4)])
    for number, what, count in moves:
        worker = fleet.workers[number]
        match what:
            case "want":
                worker.waiting += count
            case "start":
                started = min(count, worker.waiting, max(0, worker.places - worker.in_flight))
                worker.in_flight += started
                worker.waiting -= started
            case "end":
                worker.in_flight -= min(count, worker.in_flight)
            case _:
                fleet.speak(number)
        assert sum(other.held for other in fleet.workers) <= places


def test_every_worker_comes_to_its_fair_part() -> None:
    fleet = Fleet(Limits(100), [Worker(waiting=1000) for _ in range(3)])
    for _ in range(3):
        for number, worker in enumerate(fleet.workers):
            fleet.speak(number)
            worker.in_flight = worker.places  # each call that ends makes room for the next
    assert sorted(worker.places for worker in fleet.workers) == [32, 34, 34]
    fleet.workers[0] = Worker()  # has nothing to ask for any more
    for _ in range(3):
        for number, worker in enumerate(fleet.workers):
            fleet.speak(number)
            worker.in_flight = worker.places
    assert sorted(worker.places for worker in fleet.workers) == [0, 50, 50]


@given(st.integers(0, 50), st.integers(0, 50), st.lists(st.integers(0, 50), max_size=5))
def test_fair_share_is_what_is_wanted_or_no_less_than_others_get(
    allowed: int, mine: int, others: list[int]
) -> None:
    share = fair_share(allowed, mine, others)
    assert 0 <= share <= min(allowed, mine)
    if sum(others) + mine <= allowed:
        assert share == mine
    elif share < mine:
        assert share >= allowed // (len(others) + 1)


def _starts(
    limits: Limits, tokens: int, workers: int, seconds: float, used: int | None = None
) -> list[float]:
    """When calls start, where all workers want more than they get; a call takes two seconds."""
    fleet = Fleet(limits, [Worker(waiting=10**6) for _ in range(workers)])
    times: list[float] = []
    in_air: list[tuple[int, float]] = []
    while fleet.now < 1000 + seconds:
        for number in range(workers):
            fleet.now += 0.5 / workers
            over = [call for call in in_air if call[0] == number and call[1] + 2 <= fleet.now]
            in_air = [call for call in in_air if call not in over]
            took = tokens if used is None else used
            grant = fleet.speak(
                number,
                starts=(tokens,) * 500,
                settled=tuple(Settled(start, tokens, took) for _, start in over),
            )
            times += grant.starts
            in_air += [(number, start) for start in grant.starts]
    return sorted(times)


def _most_in_a_window(times: list[float], window: float) -> int:
    most, first = 0, 0
    for last, time in enumerate(times):
        while time - times[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.parametrize("workers", [1, 3, 7])
def test_requests_a_minute_hold_in_every_window_and_are_used(workers: int) -> None:
    times = _starts(Limits(10_000, requests_per_minute=600), 10, workers, 180)
    assert _most_in_a_window(times, 60) <= 600
    assert len([time for time in times if 1060 <= time < 1120]) >= 0.95 * 600
    between = [after - before for before, after in itertools.pairwise(times)]
    assert min(between) > 0.09  # paced, not in bursts


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("used", [500, 450, 250])
def test_tokens_a_minute_hold_in_every_window_and_are_used(workers: int, used: int) -> None:
    """What was reserved for calls in the air is not used; the more of it, the less is."""
    limit = 600_000
    times = _starts(Limits(10_000, tokens_per_minute=limit), 500, workers, 180, used)
    most = _most_in_a_window(times, 60) * used
    steady = len([time for time in times if 1060 <= time < 1120]) * used
    assert most <= limit
    assert steady >= 0.93 * limit
    assert _most_in_a_window(times, 1) * used <= 1.6 * limit / 60  # paced, not in bursts


def test_a_call_larger_than_the_limit_comes_alone() -> None:
    limits = Limits(100, tokens_per_minute=1000)
    state, grant = decide(limits, first_state(limits), Ask(0, 9, (5000, 10)), (), 1000.0)
    assert len(grant.starts) == 1
    _, later = decide(limits, state, Ask(0, 9, (10,)), (), 1050.0)
    assert later.starts == ()


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 500)), max_size=30))
@settings(max_examples=50)
def test_settling_whatever_it_says_overdraws_nothing(ended: list[tuple[int, int]]) -> None:
    limits = Limits(1000, tokens_per_minute=6000)
    settled = tuple(Settled(started, 500, used) for started, used in ended)
    state, grant = decide(limits, first_state(limits), Ask(0, 100, (50,) * 200, settled), (), 1000)
    assert 50 * len(grant.starts) <= 6000
    assert min(state.token_window) >= 0


@dataclass
class Endpoint:
    """Has so many places, and refuses what is over them."""

    places: int
    refused: int = 0
    answered: int = 0


def _run(fleet: Fleet, endpoint: Endpoint, seconds: float) -> None:
    """Calls of half a second by workers that want more than they get."""
    end = fleet.now + seconds
    while fleet.now < end:
        wanted = sum(worker.places for worker in fleet.workers)
        over = max(0, wanted - endpoint.places)
        endpoint.refused += over
        endpoint.answered += wanted - over
        for number, worker in enumerate(fleet.workers):
            fleet.now += 0.5 / len(fleet.workers)
            worker.in_flight = worker.places
            refused = over if number == 0 else 0
            fleet.speak(
                number,
                Report(answered=worker.places - min(refused, worker.places), overloaded=refused),
            )


def test_places_follow_an_endpoint_down_and_up() -> None:
    fleet = Fleet(Limits(200, adapts=True), [Worker(waiting=10**6) for _ in range(2)])
    endpoint = Endpoint(100)
    _run(fleet, endpoint, 15)
    assert 85 <= fleet.state.allowed <= 120
    endpoint.places = 20
    _run(fleet, endpoint, 15)
    assert 14 <= fleet.state.allowed <= 22
    endpoint.refused = endpoint.answered = 0
    _run(fleet, endpoint, 60)
    assert endpoint.refused < 0.02 * endpoint.answered
    assert endpoint.answered > 0.8 * 20 * 2 * 60
    endpoint.places = 100
    _run(fleet, endpoint, 15)
    assert fleet.state.allowed >= 85


def test_retry_after_closes_the_endpoint_for_all_to_the_second() -> None:
    fleet = Fleet(Limits(10), [Worker(waiting=50), Worker(waiting=50)])
    fleet.speak(0, Report(overloaded=1, retry_after=7.0))
    assert fleet.speak(1).closed == pytest.approx(7.0)
    fleet.now += 6.9
    assert fleet.speak(1).places == 0
    fleet.now += 0.2
    assert fleet.speak(1).places > 0


def test_a_dead_endpoint_is_left_probed_with_one_call_and_taken_back() -> None:
    fleet = Fleet(Limits(40), [Worker(waiting=100)])
    fleet.speak(0)
    fleet.speak(0, Report(unreachable=40))
    assert fleet.speak(0).closed > 0
    fleet.now += 30
    assert fleet.speak(0).places == 1
    fleet.speak(0, Report(unreachable=1))
    assert fleet.speak(0).closed > 0
    fleet.now += 30
    fleet.workers[0].in_flight = 0
    fleet.speak(0, Report(answered=1))
    assert 1 < fleet.speak(0).places <= 40


def test_an_endpoint_that_only_hangs_is_dead_and_one_that_answers_meanwhile_is_not() -> None:
    fleet = Fleet(Limits(40), [Worker(waiting=100), Worker(waiting=100)])
    for _ in range(4):
        fleet.speak(0, Report(hung=1))
    fleet.speak(1, Report(answered=1, hung=3))
    for _ in range(4):
        fleet.speak(0, Report(hung=1))
    assert fleet.speak(1).closed == 0
    fleet.speak(1, Report(hung=1))
    assert fleet.speak(0).closed > 0
    fleet.now += 30
    assert fleet.speak(0).places == 1
    fleet.speak(0, Report(answered=1))
    assert fleet.speak(0).places > 1


def test_what_a_worker_might_have_beside_its_places_is_told() -> None:
    fleet = Fleet(Limits(40), [Worker(waiting=3), Worker()])
    grant = fleet.speak(0)
    assert (grant.places, grant.spare) == (3, 37)
    fleet.workers[1].waiting = 100
    grant = fleet.speak(1)
    assert (grant.places, grant.spare) == (37, 0)
    assert fleet.speak(0).spare == 0  # its fair part is more, but nothing is free yet
    fleet.speak(0, Report(retry_after=5))
    assert fleet.speak(1).spare == 0


def test_a_limit_that_is_lowered_holds_from_the_next_word_on() -> None:
    fleet = Fleet(Limits(40), [Worker(waiting=100)])
    assert fleet.speak(0).places == 40
    fleet.limits = Limits(7)
    assert fleet.speak(0).places == 7


def test_slow_answers_stop_the_rise() -> None:
    fleet = Fleet(Limits(400, adapts=True), [Worker(waiting=1000)])
    for _ in range(20):
        fleet.now += 1
        fleet.workers[0].in_flight = fleet.speak(0).places
        fleet.speak(0, Report(answered=10, slow=True))
    assert fleet.state.allowed == first_state(fleet.limits).allowed
