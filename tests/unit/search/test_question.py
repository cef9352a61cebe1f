import pytest

from graphmill.errors import InvalidRequest
from graphmill.search.question import (
    MAX_QUESTION_CHARACTERS,
    content_terms,
    count_terms,
    parse_question,
    term_of,
)


def test_stop_words_are_left_out_and_words_are_stemmed() -> None:
    question = parse_question("Which presidents of the association were fitted in 1912?")
    assert question.terms == ("president", "association", "fitt", "1912")
    assert question.words == ("presidents", "association", "fitted", "1912")


def test_stop_words_are_those_of_the_question_s_language() -> None:
    assert parse_question("Wer war der Kapitän von der Marrowind?").terms == (
        "kapitan",
        "marrowind",
    )


def test_a_question_of_stop_words_keeps_them() -> None:
    assert parse_question("The Who?").terms == ("the", "who")


def test_names_in_the_question_become_titles() -> None:
    titles = parse_question("Where is Hello Love's performer from?").titles
    assert "HELLO LOVE" in titles
    assert "PERFORMER" in titles


def test_a_script_without_spaces_is_taken_apart() -> None:
    question = parse_question("東京大学はどこですか")
    assert "東京" in question.terms
    assert "東京大学" in question.titles


@pytest.mark.parametrize("text", ["", "   ", "\x00\n\t", "\ud800"])
def test_an_empty_question_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        parse_question(text)


def test_a_long_question_is_refused_with_its_length() -> None:
    with pytest.raises(InvalidRequest, match=r"2,001 characters; at most 2,000"):
        parse_question("x" * (MAX_QUESTION_CHARACTERS + 1))


def test_control_characters_and_surrogates_are_dropped() -> None:
    assert parse_question("who\x00 is \ud800 Ada\nLovelace?").text == "who is Ada Lovelace?"


def test_the_longest_question_has_a_bounded_number_of_terms_and_titles() -> None:
    question = parse_question(" ".join(f"w{i}" for i in range(400)))
    assert len(question.terms) <= 32
    assert len(question.titles) <= 400


@pytest.mark.parametrize(
    ("one", "other"),
    [("Cities", "city"), ("Müller", "MULLER"), ("ships", "ship"), ("Walked", "walk")],
)
def test_forms_of_a_word_are_one_term(one: str, other: str) -> None:
    assert term_of(one) == term_of(other)


@pytest.mark.parametrize("word", ["glass", "bus", "his", "KH-4471", "東京", "é"])
def test_words_that_only_look_like_plurals_stay(word: str) -> None:
    assert len(term_of(word)) == len(word)


def test_terms_are_counted_and_stop_words_can_be_left_out() -> None:
    assert count_terms("The ship, the ships")["ship"] == 2
    assert content_terms("The ship and the boat sank") == {"ship", "boat", "sank"}
