"""How an entity is called in prose: its titles are upper case, its documents are not.

"NASA" and "JOHN SMITH" look alike as titles. What tells them apart is how the document writes them,
so that is looked up first; the rules for names found in capitals alone are a guess.
"""

import re
from collections.abc import Iterable

from graphmill.quotations import clip, quote

MAX_CHARACTERS = 80
MAX_WORDS = 12

_VOWEL = re.compile(r"[AEIOUYÀ-ÆÈ-ÏÒ-ÖØ-Ý]")
_LETTERS_WITHIN = re.compile(r"[^\W\d_]+")
_WORD_AND_APOSTROPHE = re.compile(r"[^\W\d_]{2}['\u2019]$")
_ORDINAL = re.compile(r"\d+(?:ST|ND|RD|TH)")
# Longest word in capitals that is taken for an acronym where nothing else is known of it.
_ACRONYM = 4
_SMALL_WORDS = frozenset(
    """
    a an and as at by for from in of on or the to with da das de del della den der des di do dos
    du el et la las le les los och og und van von y
    """.split()
)


def display_name(title: str, sentences: Iterable[str]) -> str:
    """The name as the first of these sentences that tells its case writes it.

    In order: as it is written with both cases ("John Smith", "iPhone"); in small letters ("pump");
    in capitals amid small letters ("NASA launched"); else title-cased by rule, where words with a
    digit or without a vowel, and a single word of up to four letters, are taken for acronyms.
    At most 80 characters and 12 words, fit to stand in a line of markdown.
    """
    found = ""
    for sentence in sentences:
        written = _written(title, sentence)
        if not written or (written.isupper() and sentence.isupper()):
            continue  # a line in capitals says nothing about this name
        if not written.isupper() and not written.islower():
            found = written
            break
        if not found or (found.isupper() and written.islower()):
            found = written
    return clip(quote(found or _title_case(title)) or title, MAX_CHARACTERS, MAX_WORDS)


def _written(title: str, sentence: str) -> str:
    """The title as the sentence has it, or ""."""
    # Position by position: "ß" would become "SS" and move what follows.
    capitals = sentence.upper()
    if len(capitals) != len(sentence):
        capitals = "".join(c.upper() if len(c.upper()) == 1 else c for c in sentence)
    start = capitals.find(title)
    while start >= 0:
        end = start + len(title)
        if not (capitals[max(start - 1, 0) : start].isalnum() or capitals[end : end + 1].isalnum()):
            return sentence[start:end]
        start = capitals.find(title, start + 1)
    return ""


def _title_case(title: str) -> str:
    words = title.split()
    if len(words) == 1 and len(title) <= _ACRONYM:
        return title
    return " ".join(
        word.lower() if place and word.lower() in _SMALL_WORDS else _capitalised(word)
        for place, word in enumerate(words)
    )


def _capitalised(word: str) -> str:
    if any(character.isdigit() for character in word):
        return word.lower() if _ORDINAL.fullmatch(word) else word
    if len(word) > 1 and word.isascii() and word.isalpha() and not _VOWEL.search(word):
        return word

    def part(match: re.Match[str]) -> str:
        # "SCROOGE'S" is Scrooge's, but "O'BRIEN" is O'Brien.
        if _WORD_AND_APOSTROPHE.search(word, 0, match.start()):
            return match.group().lower()
        return match.group().capitalize()

    return _LETTERS_WITHIN.sub(part, word)
