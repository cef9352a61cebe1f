"""What a real model once found in each passage of a corpus, in the form that is asked for now."""

import gzip
import html
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tests.support.model_endpoint.answers.graph import strength_of, type_of

_WORDS = re.compile(r"\w+")
_KEY_WORDS = 4


@dataclass(frozen=True, slots=True)
class _Recorded:
    words: list[str]
    title: str
    entities: list[str]
    triples: list[list[str]]


class Replay:
    """Finds records by their passages, however the text between words has changed."""

    def __init__(self, corpus: Path) -> None:
        """
        Args:
            corpus: a folder with corpus.jsonl.gz (id, title, text) and openie.jsonl.gz (id, title,
                entities, triples).
        """
        texts = {line["id"]: line["text"] for line in _lines(corpus / "corpus.jsonl.gz")}
        self._by_beginning: defaultdict[tuple[str, ...], list[_Recorded]] = defaultdict(list)
        for line in _lines(corpus / "openie.jsonl.gz"):
            words = _WORDS.findall(texts[line["id"]])
            recorded = _Recorded(words, line["title"], line["entities"], line["triples"])
            self._by_beginning[tuple(words[:_KEY_WORDS])].append(recorded)

    def find(self, text: str) -> dict[str, Any] | None:
        """The answers for all passages that are whole in the text, one after the other."""
        # Marks in a text may be escaped in a prompt, lest they end it.
        words = _WORDS.findall(html.unescape(text))
        found: list[_Recorded] = []
        beginnings = zip(*(words[start:] for start in range(_KEY_WORDS)), strict=False)
        for place, beginning in enumerate(beginnings):
            for recorded in self._by_beginning.get(beginning, ()):
                if words[place : place + len(recorded.words)] == recorded.words:
                    found.append(recorded)
        if not found:
            return None
        return {
            "entities": [entity for recorded in found for entity in _entities(recorded)],
            "relationships": [_relationship(t) for recorded in found for t in recorded.triples],
        }


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield cast(dict[str, Any], json.loads(line))


def _entities(recorded: _Recorded) -> Iterator[dict[str, Any]]:
    """The record has no types and descriptions: types are made, and an entity's triples say it."""
    for title in recorded.entities:
        said = [f"{' '.join(triple)}." for triple in recorded.triples if title in triple]
        yield {
            "title": title,
            "type": type_of(title),
            "description": " ".join(said) or f"{title} is named in {recorded.title}.",
        }


def _relationship(triple: Sequence[str]) -> dict[str, Any]:
    """Faults stay: some triples have no end (an empty target, as a schema would let it through),
    some more parts than three, and many name what is no entity."""
    source, target = triple[0], triple[2] if len(triple) > 2 else ""
    return {
        "source": source,
        "target": target,
        "description": " ".join(triple),
        "strength": strength_of(source, target),
    }
