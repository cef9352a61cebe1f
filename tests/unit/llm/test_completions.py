"""What comes back from a chat completions endpoint, as an answer."""

import json
from typing import Any

import pytest

from graphmill.llm.completions import read_completion
from graphmill.llm.faults import BrokenAnswer, QuestionRefused


def completion(message: dict[str, Any], finish: str = "stop", **more: Any) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    usage = {"prompt_tokens": 500, "completion_tokens": 90}
    return json.dumps({"choices": [choice], "usage": usage} | more).encode()


def test_an_answer_has_its_text_and_its_tokens() -> None:
    answer = read_completion(completion({"content": "it is"}), "here")
    assert (answer.text, answer.complete, answer.endpoint) == ("it is", True, "here")
    assert (answer.prompt_tokens, answer.completion_tokens) == (500, 90)


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_one_that_broke_off_is_not_complete(finish: str) -> None:
    assert not read_completion(completion({"content": "it"}, finish), "here").complete


@pytest.mark.parametrize("finish", ["length", "stop", "content_filter"])
def test_a_model_that_only_thought_is_paid_and_its_answer_empty(finish: str) -> None:
    message = {"content": None, "reasoning_content": "let me see"}
    answer = read_completion(completion(message, finish), "here")
    assert (answer.text, answer.complete, answer.completion_tokens) == ("", False, 90)


def test_a_refusal_is_one_and_its_words_are_not_repeated() -> None:
    message = {"content": None, "refusal": "I will not speak of Ada"}
    with pytest.raises(QuestionRefused) as refused:
        read_completion(completion(message), "here")
    assert "Ada" not in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"[]", b"null", b'{"choices": []}', b'{"choices": [{}]}', b"[" * 100_000],
)
def test_anything_else_is_no_answer(content: bytes) -> None:
    with pytest.raises(BrokenAnswer):
        read_completion(content, "here")


@pytest.mark.parametrize(
    "usage",
    [None, {}, {"prompt_tokens": None}, {"prompt_tokens": -1, "completion_tokens": "many"}],
)
def test_an_answer_that_is_counted_strangely_is_one(usage: dict[str, Any] | None) -> None:
    answer = read_completion(completion({"content": "it is"}, usage=usage), "here")
    assert (answer.text, answer.prompt_tokens, answer.completion_tokens) == ("it is", 0, 0)
