"""Answers are slow beside the quickest that there were, not by a number that somebody set."""

import pytest

from graphmill.llm.slowness import Slowness


def noted(*answers: tuple[int, float]) -> Slowness:
    """After so many answers, of so many seconds a token, one after the other."""
    slowness = Slowness()
    for count, seconds in answers:
        for _ in range(count):
            slowness.note(seconds)
    return slowness


def test_before_the_first_answer_nothing_is_slow() -> None:
    assert not Slowness().slow


@pytest.mark.parametrize("seconds", [0.001, 10.0])
def test_an_endpoint_that_always_took_as_long_is_not_slow(seconds: float) -> None:
    assert not noted((1, seconds)).slow
    assert not noted((1000, seconds)).slow


def test_three_times_as_long_as_at_its_best_is_slow_and_less_is_not() -> None:
    assert noted((20, 0.01), (60, 0.032)).slow
    assert not noted((20, 0.01), (60, 0.028)).slow


def test_a_single_long_answer_slows_nothing() -> None:
    assert not noted((20, 0.01), (1, 0.2)).slow


def test_who_is_quick_again_is_slow_no_more() -> None:
    assert not noted((20, 0.01), (60, 0.1), (60, 0.01)).slow


def test_what_was_quick_long_ago_is_forgotten() -> None:
    assert noted((20, 0.01), (400, 0.04)).slow
    assert not noted((20, 0.01), (1000, 0.04)).slow
