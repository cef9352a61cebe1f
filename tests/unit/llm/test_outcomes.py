"""Each call that ended counts once with each who reads it."""

from contextlib import suppress

from graphmill.errors import Unavailable
from graphmill.llm.limits import Report, Settled, Tries
from graphmill.llm.outcomes import Outcome, Tally, Untold

ANSWERED = Outcome(answered=True)
TIMED_OUT = Outcome(timed_out=True)


def tell(tally: Tally) -> Untold:
    with tally.telling() as untold:
        return untold


def fail_to_tell(tally: Tally, *meanwhile: Outcome) -> Untold:
    with suppress(Unavailable), tally.telling() as untold:
        for outcome in meanwhile:
            tally.note(outcome)
        raise Unavailable("away")
    return untold


def test_each_way_to_end_is_told_to_the_limit_and_to_people() -> None:
    tally = Tally()
    overload = [
        tally.note(outcome)
        for outcome in (
            ANSWERED,
            ANSWERED,
            Outcome(overloaded=True),
            TIMED_OUT,
            Outcome(unreachable=True),
            Outcome(refused=True),
            Outcome(),  # given up here
        )
    ]
    untold = tell(tally)
    assert untold.report == Report(answered=2, overloaded=1, unreachable=1)
    assert untold.tries == Tries(answered=2, overloaded=1, timed_out=1, failed=1, refused=1)
    assert overload == [False, False, True, False, False, False, False]
    assert (tally.answers, tally.faults) == (2, 3)


def test_a_call_that_timed_out_is_overload_where_many_did_and_never_in_what_people_see() -> None:
    tally = Tally()
    overload = [tally.note(TIMED_OUT) for _ in range(5)]
    assert overload == [False, True, True, True, True]
    untold = tell(tally)
    assert untold.report == Report(overloaded=4)
    assert untold.tries == Tries(timed_out=5)
    for _ in range(50):
        tally.note(ANSWERED)
    assert not tally.note(TIMED_OUT)
    assert tell(tally).report == Report(answered=50)


def test_calls_that_hung_are_told_to_the_limit_and_are_timeouts_to_people() -> None:
    tally = Tally()
    tally.note(Outcome(timed_out=True, hung=True))
    tally.note(Outcome(timed_out=True, hung=True))
    untold = tell(tally)
    assert untold.report == Report(overloaded=1, hung=2)
    assert untold.tries == Tries(timed_out=2)
    assert tell(tally) == Untold(Report(), Tries(), ())


def test_what_was_told_is_not_told_again_and_is_still_known_here() -> None:
    tally = Tally()
    tally.note(ANSWERED)
    tally.note(TIMED_OUT)
    tally.settle(Settled(1.0, 100, 10))
    assert tell(tally).settled == (Settled(1.0, 100, 10),)
    assert tell(tally) == Untold(Report(), Tries(), ())
    assert (tally.answers, tally.faults) == (1, 1)


def test_what_was_not_heard_is_told_with_the_next_word_and_only_then() -> None:
    tally = Tally()
    tally.note(ANSWERED)
    tally.settle(Settled(1.0, 100, 10))
    assert fail_to_tell(tally, Outcome(overloaded=True)).tries == Tries(answered=1)
    assert fail_to_tell(tally).tries == Tries(answered=1, overloaded=1)
    tally.settle(Settled(2.0, 100, 20))
    untold = tell(tally)
    assert untold.report == Report(answered=1, overloaded=1)
    assert untold.tries == Tries(answered=1, overloaded=1)
    assert untold.settled == (Settled(1.0, 100, 10), Settled(2.0, 100, 20))
    assert tell(tally) == Untold(Report(), Tries(), ())


def test_what_ends_while_a_word_is_said_is_told_with_the_next() -> None:
    tally = Tally()
    tally.note(ANSWERED)
    with tally.telling() as untold:
        tally.note(ANSWERED)
        tally.note(Outcome(refused=True))
        tally.settle(Settled(1.0, 100, 10))
    assert untold.tries == Tries(answered=1)
    assert tell(tally) == Untold(
        Report(answered=1), Tries(answered=1, refused=1), (Settled(1.0, 100, 10),)
    )


def test_that_answers_are_slow_is_told_as_long_as_they_are() -> None:
    tally = Tally()
    for seconds in (0.01, *[1.0] * 20):
        tally.note(Outcome(answered=True, seconds_per_token=seconds))
    assert tell(tally).report == Report(answered=21, slow=True)
    tally.note(ANSWERED)  # vectors: they say nothing of it
    assert tell(tally).report == Report(answered=1, slow=True)
