"""Measures of an evaluation, on outcomes small enough to be counted by hand."""

from pathlib import Path

import pytest

from graphmill.errors import InvalidRequest
from graphmill.evaluation import GoldQuestion, Outcome, evaluate, read_questions


def outcome(documents: str, gold: str, answer: str = "", *answers: str) -> Outcome:
    question = GoldQuestion("who?", answers, frozenset(gold.split()))
    return Outcome(question, tuple(documents.split()), answer, 2.0)


def test_recall_is_the_share_of_gold_documents_among_the_best() -> None:
    found = evaluate([outcome("a.txt x.txt y.txt z.txt b.txt", "a b"), outcome("x y", "a")])
    assert found.recall == {2: 0.25, 5: 0.5, 10: 0.5}
    assert found.all_gold_at_5 == 0.5
    assert found.seconds_per_question == 2.0


def test_gold_ids_are_names_with_or_without_their_endings() -> None:
    assert evaluate([outcome("sub/a.txt", "a")]).recall[2] == 1
    assert evaluate([outcome("sub/a.txt", "sub/a.txt")]).recall[2] == 1
    assert evaluate([outcome("b.txt", "a")]).recall[2] == 0


def test_answers_are_compared_by_their_words_with_the_best_of_those_allowed() -> None:
    exact = outcome("a", "a", "The  Stanley Hall.", "G. Stanley Hall", "stanley hall")
    assert (evaluate([exact]).exact_match, evaluate([exact]).f1) == (1.0, 1.0)
    half = outcome("a", "a", "Hall was the president", "Stanley Hall")
    assert evaluate([half]).exact_match == 0.0
    assert evaluate([half]).f1 == pytest.approx(2 * 1 / (3 + 2))
    assert evaluate([outcome("a", "a", "nothing", "Hall")]).f1 == 0.0


def test_a_question_without_answers_counts_for_recall_alone() -> None:
    assert evaluate([outcome("a", "a", "Hall")]).f1 == 0.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no question"),
        ("{", "line 1 is no JSON"),
        ('{"question": "who?", "gold_ids": ["a"]}\n[]', "line 2 must be"),
        ('{"question": "who?", "gold_ids": []}', "line 1 must be"),
        ('{"question": "who?", "gold_ids": ["a", 1]}', "line 1 must be"),
        ('{"question": " ", "gold_ids": ["a"]}', "line 1 must be"),
        ('{"question": "who?", "gold_ids": ["a"], "answers": "x"}', "line 1 must be"),
    ],
)
def test_a_file_of_something_else_is_told_line_by_line(
    text: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text(text)
    with pytest.raises(InvalidRequest, match=words):
        read_questions(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        read_questions(tmp_path / "none.jsonl")


def test_the_real_questions_are_read(shared: Path) -> None:
    questions = read_questions(shared / "corpora" / "musique100" / "questions.jsonl")
    assert len(questions) == 100
    assert all(question.gold_ids and question.answers for question in questions)
