"""A question as search sees it: its terms and the names that may be entities' titles."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import stopwordsiso

from graphmill.errors import InvalidRequest
from graphmill.extraction.characters import mask, to_title

MAX_QUESTION_CHARACTERS = 2_000
_MAX_TERMS = 32
_MAX_NAME_WORDS = 6
_MAX_TITLES = 400

_WORD = re.compile(r"\w+")
_NAME_WORD = re.compile(r"\w+(?:[.&'’-]\w+)*")
# Scripts written without spaces: their runs are compared by pairs of characters.
_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)


@dataclass(frozen=True, slots=True)
class Question:
    """text: what was asked, on one line. terms: stems of its words that say something, in order.

    words[i]: terms[i] as it was written. names: terms that look like parts of names. titles: how
    entities named in the question may be called.
    """

    text: str
    terms: tuple[str, ...]
    words: tuple[str, ...]
    names: frozenset[str]
    titles: tuple[str, ...]


def parse_question(text: str) -> Question:
    """Check and take apart what a user asked.

    Raises:
        InvalidRequest: it is empty or longer than 2,000 characters.
    """
    if len(text) > MAX_QUESTION_CHARACTERS:
        raise InvalidRequest(
            f"the question has {len(text):,} characters;"
            f" at most {MAX_QUESTION_CHARACTERS:,} are read: ask it in fewer words"
        )
    # PostgreSQL takes neither NUL nor lone surrogates.
    clean = " ".join(
        "".join(" " if unicodedata.category(c) in ("Cc", "Cs") else c for c in text).split()
    )
    if not clean:
        raise InvalidRequest("the question is empty")
    written = [(term_of(word), word) for word in _pieces(unicodedata.normalize("NFC", clean))]
    stop = _stop_words(tuple(word.casefold() for _, word in written))
    by_term: dict[str, str] = {}
    for term, word in written:
        if word.casefold() not in stop and len(by_term) < _MAX_TERMS:
            by_term.setdefault(term, word)
    first = written[0][1] if written else ""
    names = frozenset(t for t, word in by_term.items() if word[0].isupper() and word != first)
    return Question(clean, tuple(by_term), tuple(by_term.values()), names, _titles(clean))


def count_terms(text: str) -> dict[str, int]:
    """How often each term occurs in a text."""
    counts: dict[str, int] = {}
    # Words first, which is fast: most occur more than once in a passage.
    for word, count in Counter(_pieces(text)).items():
        term = term_of(word)
        counts[term] = counts.get(term, 0) + count
    return counts


def content_terms(text: str) -> frozenset[str]:
    """A text's terms without the stop words of its language."""
    words = _pieces(text)
    stop = _stop_words(tuple(word.casefold() for word in words))
    return frozenset(term_of(word) for word in words if word.casefold() not in stop)


@lru_cache(maxsize=100_000)
def term_of(word: str) -> str:
    """A word without case, accents and the commonest English endings.

    Light on purpose (the S-stemmer of Harman 1991, and -ed, -ing): other languages pass unharmed.
    """
    folded = unicodedata.normalize("NFKD", word).casefold()
    term = "".join(c for c in folded if not unicodedata.combining(c)) or folded
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("s", ""), ("ing", ""), ("ed", "")):
        if term.endswith(ending) and not term.endswith(("ss", "us", "is")):
            stem = term[: -len(ending)] + instead
            return stem if len(stem) >= 3 and stem.isalpha() else term
    return term


def _pieces(text: str) -> list[str]:
    words: list[str] = _WORD.findall(text)
    if text.isascii() or not _SPACELESS.search(text):
        return words
    pieces: list[str] = []
    for word in words:
        end = 0
        for run in _SPACELESS.finditer(word):
            if run.start() > end:
                pieces.append(word[end : run.start()])
            characters = run.group()
            pieces += [characters[i : i + 2] for i in range(max(1, len(characters) - 1))]
            end = run.end()
        if end < len(word):
            pieces.append(word[end:])
    return pieces


@cache
def _languages_by_stop_word() -> dict[str, tuple[str, ...]]:
    index: dict[str, list[str]] = {}
    for language in sorted(stopwordsiso.langs()):
        for word in sorted(stopwordsiso.stopwords(language)):
            index.setdefault(word.casefold(), []).append(language)
    return {word: tuple(languages) for word, languages in index.items()}


def _stop_words(words: Sequence[str]) -> frozenset[str]:
    """Those of the words that are stop words of the language that knows most of them as such;
    English first."""
    index = _languages_by_stop_word()
    known: dict[str, int] = {}
    for word in words:
        for language in index.get(word, ()):
            known[language] = known.get(language, 0) + 1
    if not known:
        return frozenset()
    best = min(known, key=lambda language: (-known[language], language != "en", language))
    # A question of stop words alone ("The Who?") keeps them.
    if known[best] == len(words):
        return frozenset()
    return frozenset(word for word in words if best in index.get(word, ()))


def _titles(text: str) -> tuple[str, ...]:
    """Every run of up to six words as an entity's title, longest first."""
    titles: dict[str, None] = {}
    masked = mask(text)
    words: list[str] = _NAME_WORD.findall(masked)
    for size in range(_MAX_NAME_WORDS, 0, -1):
        for start in range(len(words) - size + 1):
            title = to_title(" ".join(words[start : start + size]))
            titles[title] = None
            titles[title.removesuffix("'S")] = None
    for run in _SPACELESS.findall(masked):
        for size in range(8, 1, -1):
            for start in range(len(run) - size + 1):
                titles[to_title(run[start : start + size])] = None
    return tuple(titles)[:_MAX_TITLES]
