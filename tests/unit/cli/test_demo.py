"""The demo finds what an answer lacks."""

from uuid import UUID

from graphmill.cli.demo import Question, shortcomings
from graphmill.ids import document_id
from graphmill.models import Answer, Citation

QUESTION = Question("Who?", "local", ("the Owner", "of two words"), ("a.txt", "b.txt"))


def citation(number: int, name: str, text: str) -> Citation:
    return Citation(number, document_id(name), name, UUID(int=number), text)


def test_a_right_answer_lacks_nothing() -> None:
    cited = (citation(1, "a.txt", "x"), citation(2, "b.txt", "of two\n   words"))
    assert not shortcomings(QUESTION, Answer("The owner [1][2]", "local", cited))


def test_what_is_not_said_and_not_cited_is_named() -> None:
    answer = Answer("The owner [1]", "local", (citation(1, "a.txt", "x"),))
    told = "\n".join(shortcomings(QUESTION, answer))
    assert "'of two words'" in told
    assert "b.txt is not cited" in told
    assert "cites 1 documents" in told
    assert "the Owner" not in told
