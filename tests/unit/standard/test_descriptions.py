"""summarize_descriptions: the same descriptions make the same questions, within their bounds."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmill.errors import InvalidRequest
from graphmill.standard.answers import InvalidAnswer
from graphmill.standard.descriptions import (
    MAX_SUMMARY,
    SummaryOptions,
    batch_descriptions,
    distinct_descriptions,
    joined_descriptions,
    read_summary,
    summary_question,
)
from graphmill.standard.tokens import fit

SMALL = SummaryOptions(max_input_tokens=64)


def count(text: str) -> int:
    """A token is four characters here."""
    return -(-len(text) // 4)


def test_a_question_lists_titles_and_distinct_descriptions() -> None:
    asked = summary_question(
        ["B", "A"], ["Zweite.", "Erste\nZeile.", "Zweite. ", ""], "m", SummaryOptions(max_words=9)
    )
    assert asked.messages[1].content == (
        "<text>\ntitle: A\ntitle: B\n\n- Erste Zeile.\n- Zweite.\n</text>"
    )
    assert "At most 9 words." in asked.messages[0].content
    again = summary_question(
        ["A", "B"], ["Erste Zeile.", "Zweite."], "m", SummaryOptions(max_words=9)
    )
    assert again.key == asked.key


TEXTS = st.lists(st.text(st.sampled_from("ab 圖ü\n"), max_size=120), max_size=40)


@given(TEXTS, st.randoms(use_true_random=False))
def test_batches_hold_every_description_once_and_fit(
    texts: list[str], chance: random.Random
) -> None:
    batches = batch_descriptions(texts, SMALL, count)
    assert batches == batch_descriptions(chance.sample(texts, len(texts)), SMALL, count)
    distinct = distinct_descriptions(texts)
    assert len([one for batch in batches for one in batch]) == len(distinct)
    assert all(sum(count(one) + 2 for one in batch) <= 64 for batch in batches)
    assert len(batches) <= max(1, -(-len(distinct) // 2))
    assert all(batches)


def test_few_descriptions_are_one_batch_and_none_are_none() -> None:
    assert batch_descriptions(["b", "a", "b"], SMALL, count) == (("a", "b"),)
    assert batch_descriptions(["", " "], SMALL, count) == ()


def test_a_new_description_changes_few_batches() -> None:
    options = SummaryOptions(max_input_tokens=500)
    texts = [f"{number * 7919 % 1000:03} described in some way or other." for number in range(900)]
    before = set(batch_descriptions(texts, options, count))
    after = set(batch_descriptions([*texts, "500 a new one."], options, count))
    assert len(before) > 20
    assert len(after - before) <= 3


def test_too_little_room_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="max_input_tokens is 63"):
        batch_descriptions(["a"], SummaryOptions(max_input_tokens=63), count)


def test_a_summary_keeps_its_paragraphs_and_its_bounds() -> None:
    assert read_summary('{"description": "Eins.\\n\\n\\nZwei.\\u0000 "}') == "Eins.\n\nZwei."
    assert len(read_summary('{"description": "' + "x" * 20_000 + '"}')) == MAX_SUMMARY
    for empty in ('{"description": ""}', '{"description": null}', '{"description": "\\u200b"}'):
        with pytest.raises(InvalidAnswer, match="empty"):
            read_summary(empty)


def test_without_a_summary_each_description_has_a_line() -> None:
    assert joined_descriptions(["b\nc", "a", "b c ", ""]) == "a\nb c"
    assert joined_descriptions([]) == ""
    assert joined_descriptions(["a" * 6000, "b" * 6000]) == "a" * 6000 + "\n" + "b" * 3999


@given(st.text(max_size=300), st.integers(1, 40))
def test_what_fits_is_a_beginning_and_nearly_all_that_fits(text: str, most: int) -> None:
    fitted = fit(text, most, count)
    assert count(fitted) <= most
    assert text.startswith(fitted)
    if count(text) <= most:
        assert fitted == text
    else:
        room = text[: most * 4].rstrip()
        assert (
            len(fitted) >= len(room) * 0.9 - 4
            or text[len(fitted) :].isspace()
            or (text[len(fitted) : most * 4 * 9 // 10].isspace())
        )
