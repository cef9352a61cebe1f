"""The demo finds what an answer lacks, and asks a model where one was named for it."""

from pathlib import Path
from uuid import UUID

import pytest

from graphmill.cli.demo import Question, method_for, shortcomings, where_it_is
from graphmill.embedded.stack import Addresses
from graphmill.ids import document_id
from graphmill.models import Answer, Citation, Method
from graphmill.settings import load_settings

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


def test_the_demo_asks_a_model_where_one_was_named_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "of another program")
    assert method_for(load_settings()) is Method.FAST
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert method_for(load_settings()) is Method.STANDARD


def test_addresses_are_told_where_something_answers_at_them_afterwards() -> None:
    ui, api = "http://127.0.0.1:8233", "http://127.0.0.1:8000"
    addresses = Addresses("postgresql:///x", "127.0.0.1:7233", temporal_ui_url=ui, api_url=api)
    kept = "\n".join(where_it_is(addresses, stays=True))
    assert (ui in kept, f"{api}/docs" in kept) == (True, True)
    stopped = "\n".join(where_it_is(addresses, stays=False))
    assert "http" not in stopped
    assert "KEEP=1" in stopped
