"""Numbers that are part of a name: "report number 3", "page 12", "No. 4", "Apollo 11", "the second
hatch". They say which one is spoken of, and not how many: two sentences that differ there speak of
different things.

Seen by what stands beside a number: a word that numbers things, or a capitalised word. In
"to Grauhafen 40 crates went" that takes a count for a name, and a difference is missed.
"""

import re
from collections.abc import Mapping, Set

from graphmill.search.question import content_terms, term_of

# Which ones of what is called so: {"report": {"3"}}.
NamedNumbers = Mapping[str, Set[str]]

_SPELLED = "one two three four five six seven eight nine ten eleven twelve".split()
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
)
_VALUES = {
    word: str(value) for words in (_SPELLED, _ORDINALS) for value, word in enumerate(words, 1)
}

# "3", "12a", "4.2", "2018/12"; nothing of "1,200".
_DIGITS = r"\d+(?:[./–-]\d+)*[a-z]?\b(?![,.]?\d)"
_NUMBER = rf"(?P<number>{_DIGITS}|(?:{'|'.join(_SPELLED)})\b)"
# Not the "No" of "No one".
_SIGN = r"(?:\b(?:numbers?|nos?\.|(?-i:No)(?= ?\d)|nrs?\b\.?)|[#№§])"
_LABEL = (
    r"(?:chapter|chap\.|ch\.|page|pp?\.|section|sec\.|paragraph|para\.|clause|article|art\."
    r"|volume|vol\.|part|book|issue|edition|version|figure|fig\.|table|item|step|phase|stage"
    r"|question|report|document|file|exhibit|appendix|annex|room|gate|platform|route|flight"
    r"|type|level|grade)"
)
_PATTERNS = (
    # "report number 3": it numbers reports.
    re.compile(rf"(?:\b(?P<label>\w+) )?{_SIGN} ?{_NUMBER}", re.IGNORECASE),
    # "page 12". "The hospitals report 40 cases" and "the ministry reports 40 cases" have verbs.
    re.compile(
        rf"(?<![a-z]{{4}}s )\b(?P<label>{_LABEL}|{_LABEL}s(?= \d+ ?(?:,|and\b|or\b|to\b)))"
        rf" {_NUMBER}",
        re.IGNORECASE,
    ),
    # "the third report"
    re.compile(
        rf"\b(?P<number>\d+(?:st|nd|rd|th)|{'|'.join(_ORDINALS)})[ -](?P<label>[^\W\d_]+)",
        re.IGNORECASE,
    ),
)
# Days and adverbs are capitalised before counts too. Years are told of names, and are no part.
_CAPITALISED = re.compile(
    r"\b(?P<label>(?!\w*(?:day|ly)\b)[^\W\d_a-z]\w+ |[^\W\d_]\w*-)"
    rf"(?!(?:1\d|20)\d\d\b)(?P<number>{_DIGITS})"
)


def take_named_numbers(text: str) -> tuple[str, NamedNumbers]:
    """The text without digits that are part of names, and the names' numbers."""
    named: dict[str, set[str]] = {}

    def take(match: re.Match[str]) -> str:
        label, number = match["label"] or "", match["number"]
        named.setdefault(term_of(label.strip(" -.")), set()).add(_value(number))
        # What is left is a word like others, by which no pattern for figures knows a number.
        return (
            match.group().replace(number, f"n{_value(number)}")
            if number[0].isdecimal()
            else match.group()
        )

    for pattern in _PATTERNS:
        text = pattern.sub(take, text)
    if _CAPITALISED.search(text):
        telling = content_terms(text)

        def take_if_name(match: re.Match[str]) -> str:
            label = match["label"]
            # "Some 40 crates": a sentence begins with a capital whatever its first word is.
            is_name = label.endswith("-") or term_of(label.strip()) in telling
            return take(match) if is_name else match.group()

        text = _CAPITALISED.sub(take_if_name, text)
    return text, named


def name_different_things(one: NamedNumbers, other: NamedNumbers) -> bool:
    """Whether both number what they speak of, and differently."""
    labels = one.keys() & other.keys()
    if labels:
        return any(one[label].isdisjoint(other[label]) for label in labels)
    mine, theirs = (set[str]().union(*numbers.values()) for numbers in (one, other))
    return bool(mine and theirs) and mine.isdisjoint(theirs)


def _value(number: str) -> str:
    """ "3", "03", "3rd", "three" and "third" as "3"."""
    word = number.lower()
    digits = re.sub(r"(?<=\d)(?:st|nd|rd|th)$", "", word)
    return str(int(digits)) if digits.isdecimal() else _VALUES.get(word, word)
