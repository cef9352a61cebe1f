"""Names in a text: runs of capitalised words, sentence by sentence."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_CAPITAL = "[A-ZÀ-ÖØ-ÞΑ-ΩА-Я]"
_WORD = rf"{_CAPITAL}[\w'’-]*"
_NAME = re.compile(rf"\b{_WORD}(?:\s(?:(?:of|de|von|van|der)\s)?{_WORD})*")
_SENTENCE_END = re.compile(r"[.!?]\s|\n\s*\n")
# Capitalised for their place, not as names.
_NO_NAME = frozenset(
    """
    A After All Also Although An And As At Before Both But By During Each Everything For From He Her
    His How However I If In It Its Many Most My No Nobody Not Nothing Of On One Or Our She Since So
    Some That The Their Then There These They This Those Through To Two Under Until We What When
    Where Which While Who With Yes You Your
    """.split()
)


@dataclass(frozen=True, slots=True)
class Sentence:
    text: str
    names: tuple[str, ...]


def sentences_in(text: str) -> Iterator[Sentence]:
    """Those that are not empty, in order; names in order, each once a sentence. One at a time, as
    most of a long text is never looked at."""
    start = 0
    while start < len(text):
        found = _SENTENCE_END.search(text, start)
        end = found.end() if found else len(text)
        if part := " ".join(text[start:end].split()):
            yield Sentence(part, _names_in(part))
        start = end


def _names_in(sentence: str) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for found in _NAME.findall(sentence):
        words = found.split()
        while words and words[0] in _NO_NAME:
            words.pop(0)
        name = " ".join(words).rstrip("'’-")
        if len(name) > 1:
            names[name] = None
    return tuple(names)
