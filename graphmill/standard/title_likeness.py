"""How alike two titles are, and how far that can be trusted; nothing but the titles is looked at.

A merge that is wrong poisons the graph, and a doubt costs a call: so most pairs are apart.
"""

from dataclasses import dataclass
from enum import IntEnum

from rapidfuzz.distance import OSA
from rapidfuzz.fuzz import ratio

from graphmill.standard.title_forms import LEGAL_FORMS, TitleForm

# Of what is left of two titles without the words they share, 0 to 100.
_ALIKE = 82.0
# The same where the first letters differ, or where there is but one word: those are often two.
_VERY_ALIKE = 88.0
# Below this no reading of one is a slip of the other.
_UNLIKE = 75.0
# Slips are told from other words where these are so long (see docs/decisions/entity-resolution.md).
_LONG_WORD = 8
_LONG_TITLE = 12


class Trust(IntEnum):
    """FAINT: worth a question only where it may be a person's name. OPEN: somebody has to decide.
    LIKELY: the same if the descriptions say so too. CERTAIN: the same. The latter two only where
    both are of one type."""

    FAINT = 0
    OPEN = 1
    LIKELY = 2
    CERTAIN = 3


@dataclass(frozen=True, slots=True, order=True)
class Likeness:
    """`score` 0 to 100; `difference` is what stands between the two, in words."""

    trust: Trust
    score: float
    difference: str


def contradiction(a: TitleForm, b: TitleForm) -> str:
    """Why both cannot be the same whatever stands between them; "" if they can."""
    if a.numbers != b.numbers:
        return "their numbers differ"
    for line in {line for line, _ in a.telling} & {line for line, _ in b.telling}:
        if {word for at, word in a.telling if at == line} != {
            word for at, word in b.telling if at == line
        }:
            return "they have words of opposite meaning"
    one, other = _left(a.core, b.core), _left(b.core, a.core)
    if len(one) == len(other) == 1 and not _abbreviates(one[0], other[0]):
        if min(len(one[0]), len(other[0])) == 1:
            return "their initials differ"
        if ratio(one[0], other[0]) < _UNLIKE:
            return "a word differs"
    if a.words != a.core and b.words != b.core and a.words[len(a.core) :] != b.words[len(b.core) :]:
        return "their legal forms differ"
    return ""


def likeness(a: TitleForm, b: TitleForm) -> Likeness | None:
    """None: they are apart."""
    if not a.words or not b.words or contradiction(a, b):
        return None
    if a.words == b.words:
        return _alike_by_word(a, b)
    if a.core == b.core:
        return Likeness(Trust.OPEN, 95, "one has a legal form and the other has not")
    one, other = _left(a.words, b.words), _left(b.words, a.words)
    if not one and not other:
        return Likeness(Trust.OPEN, 95, "they have the same words in another order")
    if not one or not other:
        return _alike_but_for_more(a, b, one or other)
    return _alike_in_other_words(a, b, one, other)


def _alike_by_word(a: TitleForm, b: TitleForm) -> Likeness:
    if len(a.words) == 1:
        if a.article != b.article:
            return Likeness(Trust.OPEN, 98, 'one has a "the" and the other has not')
        return Likeness(Trust.LIKELY, 99, "they differ in the accents of one word")
    if a.letters < _LONG_WORD or not (a.alphabetic and b.alphabetic):
        return Likeness(Trust.OPEN, 99, "they differ in spelling")
    return Likeness(Trust.CERTAIN, 99, "they differ in accents, spelling of numbers, abbreviation")


def _alike_but_for_more(a: TitleForm, b: TitleForm, more: tuple[str, ...]) -> Likeness | None:
    """JOHN F. KENNEDY and JOHN KENNEDY; not KENNEDY, and not JOHN KENNEDY INTERNATIONAL AIRPORT."""
    short, long = sorted((a.words, b.words), key=len)
    if len(short) < 2 or short[0] != long[0] or short[-1] != long[-1]:
        return None
    if all(len(word) == 1 and word.isalpha() for word in more):
        return Likeness(Trust.OPEN, 92, "one has initials more")
    if len(short) == 2 and len(long) == 3 and more[0].isalpha() and len(more[0]) > 3:
        return Likeness(Trust.FAINT, 82, "one has a middle name more")
    return None


def _alike_in_other_words(
    a: TitleForm, b: TitleForm, one: tuple[str, ...], other: tuple[str, ...]
) -> Likeness | None:
    if len(one) == len(other) and all(map(_abbreviates, one, other)):
        if len(a.words) == len(one):  # nothing is shared: J. S. and JOHN SMITH
            return None
        return Likeness(Trust.OPEN, 90, "one abbreviates the other")
    if {*one, *other} & LEGAL_FORMS:
        return None
    joined, other_joined = "".join(one), "".join(other)
    if min(len(joined), len(other_joined)) < 4 or any(map(str.isdecimal, (*one, *other))):
        return None
    letters = a.alphabetic and b.alphabetic and _in_one_place(a, b)
    if letters and _is_plural(*sorted((joined, other_joined), key=len)):
        return Likeness(Trust.LIKELY, ratio(joined, other_joined), "they differ in a plural")
    alone = len(a.words) == len(b.words) == 1
    cutoff = _VERY_ALIKE if alone or joined[0] != other_joined[0] else _ALIKE
    score = ratio(joined, other_joined, score_cutoff=cutoff)
    if not score:
        return None
    if letters and min(a.letters, b.letters) >= _LONG_TITLE and _is_slip(joined, other_joined):
        return Likeness(Trust.LIKELY, score, "they differ in one letter of a long word")
    return Likeness(Trust.OPEN, score, "they are spelt alike")


def _left(words: tuple[str, ...], without: tuple[str, ...]) -> tuple[str, ...]:
    """Words that the others have not, each as often as it is missing there, in order."""
    others = list(without)
    left: list[str] = []
    for word in words:
        if word in others:
            others.remove(word)
        else:
            left.append(word)
    return tuple(left)


def _in_one_place(a: TitleForm, b: TitleForm) -> bool:
    """Whether they differ in one word, and all others are the same in the same order."""
    if len(a.words) != len(b.words):
        return False
    return sum(one != other for one, other in zip(a.words, b.words, strict=True)) == 1


def _abbreviates(one: str, other: str) -> bool:
    """J and JOHN, UNIV and UNIVERSITY, ST and STREET: a beginning, or some consonants."""
    short, long = sorted((one, other), key=len)
    if short == long or not (short.isalpha() and long.isalpha()) or short[0] != long[0]:
        return False
    if len(short) == 1:
        return len(long) > 2
    if 2 * len(short) > len(long):
        return False
    letters = iter(long)
    consonants = not set(short[1:]) & set("aeiou") and all(sign in letters for sign in short)
    return long.startswith(short) or consonants


def _is_plural(short: str, long: str) -> bool:
    if len(short) < 5 or not short.isascii():
        return False
    return long in (f"{short}s", f"{short}es") or (short[-1] == "y" and long == f"{short[:-1]}ies")


def _is_slip(one: str, other: str) -> bool:
    """One letter too many, or two that changed places, within a long word: not at its ends, where
    letters make other words (FRANCESCO, FRANCESCA), and not another letter (PHOSPHATE, PHOSPHITE)
    but s for z."""
    if min(len(one), len(other)) < _LONG_WORD or one[0] != other[0] or one[-1] != other[-1]:
        return False
    if len(one) == len(other) and one.replace("z", "s") == other.replace("z", "s"):
        return True
    if OSA.distance(one, other, score_cutoff=1) != 1:
        return False
    return len(one) != len(other) or sorted(one) == sorted(other)
