"""A question that fails for its own sake is told from an endpoint that fails."""

from graphmill.llm.faults import BrokenAnswer, EndpointFault, TimedOut, Unreachable
from graphmill.llm.lone_faults import LoneFaults
from graphmill.llm.outcomes import Outcome, Tally


def fail(lone: LoneFaults, tally: Tally, fault: EndpointFault, *, others: Outcome | None) -> None:
    if others is not None:
        tally.note(others)
    timed_out = isinstance(fault, TimedOut)
    tally.note(Outcome(timed_out=timed_out, unreachable=not timed_out))
    lone.note(fault)


def test_eight_faults_with_others_answered_between_them_are_many() -> None:
    tally, elsewhere = Tally(), Tally()
    lone = LoneFaults([tally, elsewhere])
    for _ in range(8):
        assert not lone.are_many
        elsewhere.note(Outcome(answered=True))  # anywhere
        fail(lone, tally, BrokenAnswer("cut"), others=None)
    assert lone.are_many


def test_what_fails_while_nobody_is_answered_is_not_alone() -> None:
    tally = Tally()
    tally.note(Outcome(answered=True))  # before the first try
    lone = LoneFaults([tally])
    for _ in range(20):
        fail(lone, tally, TimedOut("late"), others=Outcome(overloaded=True))
    assert not lone.are_many
    assert not lone.are_all


def test_a_call_that_had_no_others_beside_it_failed_of_its_own() -> None:
    tally = Tally()
    tally.note(Outcome(unreachable=True))  # before the first try
    lone = LoneFaults([tally])
    for _ in range(3):
        fail(lone, tally, TimedOut("late"), others=None)
    assert lone.are_all


def test_calls_are_late_where_each_try_was_and_nobody_was_answered_since() -> None:
    tally = Tally()
    tally.note(Outcome(answered=True))  # before the first try
    lone = LoneFaults([tally])
    assert not lone.are_late  # nothing was tried
    fail(lone, tally, TimedOut("late"), others=Outcome(timed_out=True))
    assert lone.are_late
    fail(lone, tally, TimedOut("late"), others=Outcome(answered=True))
    assert not lone.are_late
    other = LoneFaults([tally])
    fail(other, tally, TimedOut("late"), others=None)
    fail(other, tally, BrokenAnswer("cut"), others=None)
    assert not other.are_late


def test_an_endpoint_that_could_not_be_reached_is_no_fault_of_a_question() -> None:
    tally = Tally()
    lone = LoneFaults([tally])
    for _ in range(20):
        fail(lone, tally, Unreachable("away"), others=Outcome(answered=True))
    assert not lone.are_many
    assert not lone.are_all
