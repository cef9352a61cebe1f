"""extract_graph: entities are the names in a text, related where they share a sentence."""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from tests.support.model_endpoint.answers.hashing import number_of
from tests.support.model_endpoint.answers.names import Sentence, sentences_in
from tests.support.model_endpoint.answers.wording import (
    answered_before,
    document_text,
    is_gleaning,
)
from tests.support.model_endpoint.requests import ChatRequest

NOTHING: dict[str, Any] = {"entities": [], "relationships": []}
_MOST_ENTITIES = 15
_TYPES = ("organization", "person", "geo", "event")
_TITLE = re.compile(r'"title"\s*:\s*"((?:[^"\\]|\\.)*)"')
_LONG_WORD = re.compile(r"\b[a-zß-öø-ÿ]{9,}\b")


def extract_graph(request: ChatRequest) -> dict[str, Any]:
    text = document_text(request)
    if is_gleaning(request):
        return glean_graph(text, _TITLE.findall(answered_before(request)))
    return find_graph(text)


def find_graph(text: str) -> dict[str, Any]:
    first_named: dict[str, str] = {}
    relationships: dict[tuple[str, str], dict[str, Any]] = {}
    for sentence in sentences_in(text):
        if len(first_named) == _MOST_ENTITIES:
            break
        for name in sentence.names:
            if len(first_named) < _MOST_ENTITIES:
                first_named.setdefault(name, sentence.text)
        known = [name for name in sentence.names if name in first_named]
        for source, target in pairwise(known):
            pair = (min(source, target), max(source, target))
            if pair not in relationships:
                relationships[pair] = _relationship(source, target, sentence.text)
    return {
        "entities": [_entity(name, sentence) for name, sentence in first_named.items()],
        "relationships": list(relationships.values()),
    }


def type_of(title: str) -> str:
    return _TYPES[number_of(title) % len(_TYPES)]


def strength_of(source: str, target: str) -> int:
    return 1 + number_of(source, target) % 10


def glean_graph(text: str, titles: Iterable[str]) -> dict[str, Any]:
    """Up to two more than these: names that were left out, then long words as concepts."""
    sentences = list(sentences_in(text))
    said = {title.casefold() for title in titles}
    more: dict[str, Sentence] = {}
    for sentence in sentences:
        for name in sentence.names:
            if name.casefold() not in said:
                more.setdefault(name, sentence)
    for sentence in sentences:
        for word in _LONG_WORD.findall(sentence.text):
            if word not in said:
                more.setdefault(word.capitalize(), sentence)
    count = number_of(*(sentence.text for sentence in sentences)) % 3
    chosen = list(more.items())[:count]
    return {
        "entities": [_entity(title, sentence.text) for title, sentence in chosen],
        "relationships": [
            _relationship(sentence.names[0], title, sentence.text)
            for title, sentence in chosen
            if sentence.names and sentence.names[0] != title
        ],
    }


def _entity(title: str, sentence: str) -> dict[str, Any]:
    return {
        "title": title,
        "type": type_of(title),
        "description": f"{title} is named here: {_short(sentence)}",
    }


def _relationship(source: str, target: str, sentence: str) -> dict[str, Any]:
    return {
        "source": source,
        "target": target,
        "description": f"{source} and {target} are named together: {_short(sentence)}",
        "strength": strength_of(source, target),
    }


def _short(sentence: str) -> str:
    return sentence if len(sentence) <= 120 else f"{sentence[:120].rstrip()}..."
