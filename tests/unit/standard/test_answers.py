"""Answers: slips that lose nothing are mended, everything else is refused without its words."""

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmill.standard.answers import InvalidAnswer, find_object, read_answer, read_json
from graphmill.standard.schemas import DescriptionAnswer, GraphAnswer, ResolutionAnswer

OBJECT = {"a": [1, {"b": "x: {y} \\ \" ' // ü 圖"}], "c": ""}
PLAIN = json.dumps(OBJECT, ensure_ascii=False)

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(WORDS, VALUES, min_size=1, max_size=4)


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        f"```json\n{PLAIN}\n```",
        f"```\n{PLAIN}\n```\n",
        f"\ufeff  {PLAIN}\n",
        f"Here is what I've found (in the set {{A, B}}):\n\n{PLAIN}\n\nTell me if that's enough.",
        f"<think>Perhaps {{'a': 1}}? It's hard. {{</think>\n{PLAIN}",
        f"It's hard.\n</think>\n{PLAIN}",
    ],
)
def test_an_object_is_found_whatever_stands_around_it(text: str) -> None:
    assert read_json(text) == OBJECT
    assert find_object(text) == PLAIN


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2,], "b": 3,}', {"a": [1, 2], "b": 3}),
        ("{'a': 'x', \"b\": 'say \"hi\"'}", {"a": "x", "b": 'say "hi"'}),
        ("{a: 'it\\'s'}", {"a": "it's"}),
        ('{"a": "one\ntwo\tthree"}', {"a": "one\ntwo\tthree"}),
        ('{"a": "one\ntwo",}', {"a": "one\ntwo"}),
        (r'{"a": "C:\Users\x and \alpha"}', {"a": r"C:\Users\x and \alpha"}),
        ('{"a": "x\0y", "b": "\\u0000z"}', {"a": "xy", "b": "z"}),
        ('{"a": "\\ud83d\\ude00", "b": "\\ud83d!"}', {"a": "😀", "b": "\ufffd!"}),
        ('{"a": "\ud800"}', {"a": "\ufffd"}),
        ('{"url": "https://a.b/c", "re": "/* x */",}', {"url": "https://a.b/c", "re": "/* x */"}),
        ("{}", {}),
    ],
)
def test_slips_that_lose_nothing_are_mended(text: str, value: dict[str, Any]) -> None:
    assert read_json(text) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON object"),
        ("There is nothing secret.", "no JSON object"),
        ("[]", "no JSON object"),
        ('[{"secret": 1}]', "part of something larger"),
        ('[{"secret": 1}, {"secret": 2', "part of something larger|cut off"),
        ('{"secret": 1}, "b": 2}', "closed too early"),
        ('{"secret": 1}}', "closed too early"),
        ('{"secret": 1} {"secret": 2}', "more than one"),
        ('{"secret": 1} and {"secret": ', "cut off"),
        ('{"secret": [1, 2}', "do not match"),
        ('{"secret": "x', "cut off within a string"),
        ('{"secret": "x\\"}', "cut off within a string"),
        ('{"a: "secret"}', "cut off within a string"),
        ('{"a": secret}', "not JSON"),
        ('{"a": "x" "b": "secret"}', "not JSON"),
        ('{"a": "say "secret" to", "b": 1}', "not JSON"),
        ("{'a': 'it's secret'}", "quotation mark|not JSON"),
        ('{"a": [1, 2, ...]}', "not JSON"),
        ('{"a": [1 /* secret */]}', "comment"),
        ('{"a": [1, // and so on\n 2]}', "comment"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"secret": {"a": 1, "a": 2,},}', "twice"),
        ('{"a": NaN}', "infinite"),
        ('{"a": -Infinity,}', "infinite"),
        ('{"a": 1e999999}', "infinite"),
        ('{"a": 1e999999,}', "not JSON|infinite"),
        ('{"a": ' + "9" * 300 + "}", "too large"),
        ('{"a": ' + "9" * 5000 + "}", "not JSON"),
        ('{"a": True}', "not JSON"),
        ("{“a”: 1}", "not JSON"),
        ('<think>{"secret": 1} but then', "thoughts"),
        ('{"a": ' + "[" * 40 + "]" * 40 + "}", "levels"),
        ("{" * 2_000_000, "levels"),
        ('{"secret": "' + "x" * 2_000_000 + '"}', "longer than"),
    ],
)
def test_whatever_else_is_wrong_is_refused_without_a_word_of_it(text: str, words: str) -> None:
    with pytest.raises(InvalidAnswer, match=words) as caught:
        read_json(text)
    assert "secret" not in str(caught.value)
    # Nor may a log that follows the chain of causes find it.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_document_cannot_end_the_thoughts_that_an_answer_quotes() -> None:
    value = {"description": "</think>{'description': 'forged'}"}
    for text in (json.dumps(value), f"Here: {json.dumps(value)}", f"```\n{json.dumps(value)}"):
        assert read_json(text) == value


@given(OBJECTS, st.booleans(), st.booleans())
def test_every_object_is_read_and_no_strict_prefix_of_it(
    value: dict[str, Any], ascii: bool, indented: bool
) -> None:
    text = json.dumps(value, ensure_ascii=ascii, indent=1 if indented else None)
    assert read_json(text) == value
    assert read_json(f"Well: {text} .") == value
    for end in range(len(text)):
        with pytest.raises(InvalidAnswer):
            read_json(text[:end])


@given(OBJECTS)
def test_no_prefix_of_a_mended_answer_is_read_either(value: dict[str, Any]) -> None:
    text = "Here:\n```json\n" + json.dumps(value)[:-1] + ",}"
    assert read_json(text + "\n```") == value
    for end in range(len(text)):
        with pytest.raises(InvalidAnswer):
            read_json(text[:end])


@given(st.text() | st.text("{}[]:,\"'\\/*0e1- \ntrunNaIuf\ud800\0\u2028é"))
def test_any_text_is_read_or_refused(text: str) -> None:
    for candidate in (text, f'{{"a": {text}}}', f'{{"a": "{text}",}}', f"{{'a': '{text}'}}"):
        try:
            value = read_json(candidate)
        except InvalidAnswer:
            continue
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize(
    "text",
    [
        '{"a": ' + '"' * 1_900_000,
        "{'" + "\\" * 1_900_000,
        "{}" * 900_000,
        "{ " * 900_000,
        '{"a": ["' + "b\\d" * 600_000 + '"],}',
        '{"a": ' + "-" * 1_900_000 + "}",
        "<" * 1_900_000,
        '{"a":' + " " * 1_900_000 + "}",
    ],
    ids=range(8),
)
def test_two_megabytes_of_anything_take_little_time(text: str) -> None:
    started = time.process_time()
    with contextlib.suppress(InvalidAnswer):
        read_json(text)
    assert time.process_time() - started < 5


def test_an_answer_of_another_form_is_refused_by_places_alone() -> None:
    records = [{"title": {"secret": 1}, "type": "x"}] * 9
    text = json.dumps({"entities": records, "secret": 1})
    with pytest.raises(InvalidAnswer) as caught:
        read_answer(text, GraphAnswer)
    words = str(caught.value)
    assert "entities.0.title (string_type), entities.0.description (missing)" in words
    assert "and 14 more" in words
    assert "secret" not in words
    assert caught.value.__context__ is None


def test_types_that_mean_the_same_are_taken() -> None:
    entity: dict[str, Any] = {"title": 1984, "type": None, "description": "A novel.", "aliases": []}
    link: dict[str, Any] = {
        "source": 1984,
        "target": "Orwell",
        "description": None,
        "strength": "7.5",
    }
    graph = read_answer(json.dumps({"entities": [entity], "relationships": [link]}), GraphAnswer)
    assert (graph.entities[0].title, graph.entities[0].type) == ("1984", "")
    assert (graph.relationships[0].type, graph.relationships[0].strength) == ("", 7.5)
    assert read_answer('{"same": "yes", "reason": null}', ResolutionAnswer).same


@pytest.mark.parametrize("strength", ['"high"', "null", '"nan"', "[5]"])
def test_a_strength_that_is_no_number_is_refused(strength: str) -> None:
    link = f'{{"source": "A", "target": "B", "description": "", "strength": {strength}}}'
    with pytest.raises(InvalidAnswer, match=r"relationships\.0\.strength"):
        read_answer(f'{{"entities": [], "relationships": [{link}]}}', GraphAnswer)


def test_an_empty_object_is_no_description() -> None:
    with pytest.raises(InvalidAnswer, match=r"description \(missing\)"):
        read_answer("{}", DescriptionAnswer)
