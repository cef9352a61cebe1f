"""Prompts: versioned, filled in one pass, or a collection's own."""

import hashlib
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmill.errors import InvalidRequest
from graphmill.prompts.loading import MAX_OWN_CHARACTERS, Prompt, PromptName, load_prompt

NAMES: tuple[PromptName, ...] = get_args(PromptName)


@pytest.mark.parametrize("name", NAMES)
def test_every_prompt_is_shipped_with_a_version(name: PromptName) -> None:
    prompt = load_prompt(name)
    assert (prompt.name, prompt.version) == (name, f"{name}.v1")
    assert len(prompt.text) > 200


def test_a_collection_s_own_text_has_the_version_of_its_content() -> None:
    own = "Finde alles über {{entity_types}}.\r\n{{ graph_schema }}\r\n"
    prompt = load_prompt("extract_graph", own)
    assert prompt.version == "own-" + hashlib.sha256(own.encode()).hexdigest()[:16]
    filled = prompt.fill({"entity_types": "Pumpen", "graph_schema": "Nichts sonst."})
    assert filled == "Finde alles über Pumpen.\nNichts sonst."


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ("Only {{entity_types}}.", r"\{\{graph_schema\}\} is missing"),
        ("{{entity_types}} {{graph_schema}} {{text}}", r"\{\{text\}\} is unknown"),
        ("{{Entity_Types}} {{graph_schema}}", r"missing, \{\{Entity_Types\}\} is unknown"),
        (" \n", "2 characters"),
        ("x" * (MAX_OWN_CHARACTERS + 1), "50,001 characters"),
        ("{{entity_types}} {{graph_schema}} \0", "NUL"),
        ("{{entity_types}} {{graph_schema}} \ud800", "surrogate"),
    ],
)
def test_an_own_text_that_cannot_be_used_says_why(own: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        load_prompt("extract_graph", own)


def test_a_prompt_may_show_json_and_dollars() -> None:
    own = 'Like {"a": {"b": {}}} or {{"a": 1}}, for $5 or ${home}, %s, {0}.'
    assert load_prompt("glean_graph", own).fill({}) == own


@given(st.text(), st.text())
def test_a_value_never_brings_a_placeholder(one: str, other: str) -> None:
    prompt = Prompt("extract_graph", "v", "[{{a}}][{{b}}]")
    value = "{{b}}" + one
    assert prompt.fill({"a": value, "b": other}) == f"[{value}][{other}]"


def test_a_placeholder_without_a_value_is_an_error() -> None:
    with pytest.raises(InvalidRequest, match="max_words"):
        load_prompt("community_report").fill({})
