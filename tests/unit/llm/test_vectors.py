"""What an endpoint sends is a vector for each text, or it is said why not."""

import base64
import json
from array import array
from typing import Any

import pytest

from graphmill.llm.vectors import MOST_DIMENSIONS, read_vectors, text_to_embed, vector_key


def read(data: Any, count: int = 2, usage: Any = None) -> tuple[list[list[float]], str]:
    body = json.dumps({"data": data, "usage": usage}).encode()
    found = read_vectors(body, count, "near")
    return [list(vector) for vector in found.vectors], found.wrong


def item(embedding: Any, index: Any = 0) -> dict[str, Any]:
    return {"index": index, "embedding": embedding}


def in_base64(*numbers: float) -> str:
    return base64.b64encode(array("f", numbers).tobytes()).decode()


def test_numbers_and_base64_give_the_same_bits_in_the_order_of_the_texts() -> None:
    plain = [item([0.1, -2.5], 1), item([1e-40, 3], 0)]
    packed = [item(in_base64(0.1, -2.5), 1), item(in_base64(1e-40, 3), 0)]
    expected = [list(array("f", [1e-40, 3])), list(array("f", [0.1, -2.5]))]
    assert read(plain) == read(packed) == (expected, "")
    # Some endpoints number nothing.
    assert read([{"embedding": [1]}, {"embedding": [2]}]) == ([[1.0], [2.0]], "")


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (None, "2 texts were sent, and 0 vectors came back"),
        ([item([1])], "2 texts were sent, and 1 vectors came back"),
        ([item([1]), item([1], 1), item([1], 2)], "and 3 vectors came back"),
        ([item([1], 0), item([1], 0)], "numbered otherwise"),
        ([item([1], 0), item([1], 7)], "numbered otherwise"),
        ([item([1], 0), item([1], "secret")], "numbered otherwise"),
        ([item([1], 0), item([1, 2], 1)], "different numbers of dimensions"),
        ([item([]), item([], 1)], "a vector has 0 dimensions"),
        ([item([0] * (MOST_DIMENSIONS + 1)), item([1], 1)], "a vector has 16,001 dimensions"),
        ([item([float("nan")]), item([1], 1)], "no finite number"),
        ([item(in_base64(float("inf"))), item([1], 1)], "no finite number"),
        ([item([1e39]), item([1], 1)], "no finite number"),
        ([item([10**400]), item([1], 1)], "no vectors"),
        ([item(["secret"]), item([1], 1)], "no vectors"),
        ([item("secret!"), item([1], 1)], "no vectors"),
        ([item("YWJj"), item([1], 1)], "no vectors"),
        (["secret", "secret"], "no vectors"),
        ([item({"secret": 1}), item([1], 1)], "a vector has 0 dimensions"),
    ],
)
def test_what_is_no_vector_for_each_text_is_told_without_a_word_of_it(
    data: Any, wrong: str
) -> None:
    vectors, told = read(data)
    assert vectors == []
    assert wrong in told
    assert "secret" not in told


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b"", "Expecting value"),
        (b"[1]", "no JSON object"),
        (b'{"data": [', "Expecting value"),
        (b"[" * 100_000, "nested too deeply"),
        (b"<html>", "Expecting value"),
    ],
)
def test_what_is_no_object_is_no_answer(body: bytes, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        read_vectors(body, 1, "near")


@pytest.mark.parametrize(
    "usage", [None, {}, "secret", {"prompt_tokens": -1}, {"prompt_tokens": 2**40}]
)
def test_tokens_that_nobody_tells_are_none(usage: Any) -> None:
    body = json.dumps({"data": [item([1])], "usage": usage}).encode()
    assert read_vectors(body, 1, "near").prompt_tokens == 0


def test_a_key_is_of_model_and_text_and_nothing_else() -> None:
    assert vector_key("a", "b") == vector_key("a", "b")
    keys = {vector_key("a", "b"), vector_key("a", "c"), vector_key("b", "b"), vector_key("", "ab")}
    assert len(keys) == 4


def test_what_is_sent_can_be_sent() -> None:
    assert text_to_embed(" \n\t", len) == ""
    assert text_to_embed("a\ud800b", len) == "a?b"
    assert text_to_embed("x" * 10_000, len, 10) == "x" * 10
