"""Two accounts of one thing that differ: sentences alike but for a figure or a "not".

Only what can be seen without understanding: most words of the two sentences are the same, neither
names anybody or anything that the other does not, or the third report where the other names the
first, and either both have a date, time, amount, year or count of the same kind with nothing of
that kind in common, or one is negated (in English) and the other is not. What is worded differently
is missed; that is better than calling contradictory what is not.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from graphmill.search.named_numbers import (
    NamedNumbers,
    name_different_things,
    take_named_numbers,
)
from graphmill.search.question import content_terms, term_of

# Words (besides figures) that both sentences must share, and their share of the longer one's.
_MIN_SHARED = 3
_MIN_OVERLAP = 0.5
# Where one is negated: their share of the shorter one's.
_MIN_DENIED_OVERLAP = 0.8
_MAX_DIFFERENCES = 3

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
# In this order: what one kind has taken is not looked at by the next. First those that are known by
# more than their digits, then those that may be part of a name.
_MARKED = {
    "date": re.compile(
        rf"\b(?:\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}(?:,? \d{{4}})?"
        rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?|\d{{4}}-\d\d-\d\d)\b",
        re.IGNORECASE,
    ),
    "time": re.compile(
        r"\b\d{1,2}:\d\d(?: ?[ap]\.?m\b)?|\b\d{1,2}(?:\.\d\d)? ?[ap]\.?m\b", re.IGNORECASE
    ),
    "amount": re.compile(r"[$€£¥] ?\d[\d.,]*(?: (?:thousand|million|billion)\b)?", re.IGNORECASE),
    "percentage": re.compile(r"\b\d+(?:[.,]\d+)? ?(?:%|per ?cent\b)", re.IGNORECASE),
}
_BARE = {
    "year": re.compile(r"\b(?:1\d|20)\d\d\b"),
    # A number counts something, which is part of its kind: "47 crates".
    "count": re.compile(r"\b\d[\d,]* [a-z]{3,}\b"),
}
_NOT = re.compile(r"\b(?:not|never|neither|nor)\b|n['’]t\b", re.IGNORECASE)
_PART = re.compile(r"\d+|[a-z]{3}", re.IGNORECASE)
_NAME = re.compile(r"(?<=[^\s.!?…] )[\"'(]*([^\W\d_a-z]\w+)")


@dataclass(frozen=True, slots=True)
class Difference:
    """one, other: indexes into the sentences looked at. values: what each says, as it was written;
    None where one says no to the other."""

    one: int
    other: int
    values: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class _Account:
    """A sentence taken apart. figures: kind to (parts, as written); names: capitalised words;
    named: which of the things that have numbers."""

    figures: dict[str, list[tuple[frozenset[str], str]]]
    words: frozenset[str]
    names: frozenset[str]
    named: NamedNumbers
    negated: bool


def find_differences(
    sentences: Sequence[tuple[UUID, str, frozenset[str]]], quoted: Sequence[int]
) -> list[Difference]:
    """Differences between the quoted of the sentences, (document id, text, its terms) each, and any
    of them: three at most, at most one for a quoted sentence."""
    found: list[Difference] = []
    for one in quoted:
        document_id, text, terms = sentences[one]
        account = _account(text)
        for other, (other_id, other_text, other_terms) in enumerate(sentences):
            # Taking a sentence apart costs more than this look at it.
            if other_id == document_id or len(terms & other_terms) < _MIN_SHARED:
                continue
            told = _account(other_text)
            if not _comparable(account, told):
                continue
            values = _differing(account, told)
            denied = _denied(account, told)
            if not (values or denied) or any({d.one, d.other} == {one, other} for d in found):
                continue
            found.append(Difference(one, other, values))
            break
        if len(found) == _MAX_DIFFERENCES:
            break
    return found


@lru_cache(maxsize=2_000)
def _account(text: str) -> _Account:
    figures: dict[str, list[tuple[frozenset[str], str]]] = {}
    names = frozenset(term_of(name) for name in _NAME.findall(text))
    text = _take_figures(text, _MARKED, figures)
    text, named = take_named_numbers(text)
    text = _take_figures(text, _BARE, figures)
    negated = _NOT.search(text) is not None
    words = content_terms(_NOT.sub(" ", text))
    months = frozenset(name for name in names if name not in words)
    return _Account(figures, words, names - months, named, negated)


def _take_figures(
    text: str,
    kinds: Mapping[str, re.Pattern[str]],
    figures: dict[str, list[tuple[frozenset[str], str]]],
) -> str:
    """Put figures of these kinds into `figures`; returns the text without them."""
    for kind, pattern in kinds.items():
        for written in pattern.findall(text):
            label = f"count of {term_of(written.split()[-1])}" if kind == "count" else kind
            figures.setdefault(label, []).append((_parts(written), written))
        # What is counted stays among the words.
        text = (
            pattern.sub(lambda m: " " + m.group().split()[-1], text)
            if kind == "count"
            else pattern.sub(" ", text)
        )
    return text


def _parts(written: str) -> frozenset[str]:
    """ "3rd of March 2021" as {3, mar, 2021}: a date without its year is part of one with it."""
    return frozenset(
        str(int(part)) if part.isdecimal() else part.lower()
        for part in _PART.findall(written.replace(",", ""))
        if part.lower() not in ("per", "cen", "tho")
    )


def _comparable(one: _Account, other: _Account) -> bool:
    shared = len(one.words & other.words)
    return (
        shared >= _MIN_SHARED
        and shared >= _MIN_OVERLAP * max(len(one.words), len(other.words))
        and one.names <= other.words
        and other.names <= one.words
        and not name_different_things(one.named, other.named)
    )


def _denied(one: _Account, other: _Account) -> bool:
    # A "not" may stand in a clause of its own, so that more must be alike than for a figure.
    shared = len(one.words & other.words)
    shorter = min(len(one.words), len(other.words))
    return one.negated != other.negated and shared >= _MIN_DENIED_OVERLAP * shorter


def _differing(one: _Account, other: _Account) -> tuple[str, str] | None:
    for kind in one.figures:
        mine, theirs = one.figures[kind], other.figures.get(kind, [])
        if theirs and not any(a <= b or b <= a for a, _ in mine for b, _ in theirs):
            return mine[0][1], theirs[0][1]
    return None
