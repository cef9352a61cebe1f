"""What a title is made of: words and numbers as they are compared, whatever the spelling.

Only alphabets whose words survive it lose their accents: a mark is a vowel in Hindi and another
letter in Russian.
"""

import re
import sys
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

LEGAL_FORMS = frozenset(
    "company corporation gmbh incorporated limited llc llp plc ag kg kgaa se sarl sas spa srl bv nv"
    " oyj aps pty".split()
)
"""As titles end with them; abbreviations are written out by `title_form`."""

_LONG_FORMS = {"co": "company", "corp": "corporation", "inc": "incorporated", "ltd": "limited"}
_CARDINALS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen twenty"
).split()
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth"
    " fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
# Words that tell apart what is otherwise called the same. Only within one line.
_OPPOSITES = tuple(
    frozenset(line.split())
    for line in """
    north south east west northern southern eastern western northeast northwest southeast southwest
    upper lower inner outer left right old new
    junior jr senior sr
    men women mens womens male female boys girls man woman
    king queen prince princess emperor empress duke duchess
    father mother brother sister son daughter uncle aunt
    january february march april may june july august september october november december
    jan feb mar apr jun jul aug sep sept oct nov dec
    monday tuesday wednesday thursday friday saturday sunday
    spring summer autumn fall winter
    major minor maximum minimum
    """.strip().split("\n")
)

_ROMAN = re.compile(r"(m{0,3})(c[md]|d?c{0,3})(x[cl]|l?x{0,3})(i[xv]|v?i{0,3})")
_ROMAN_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}
_HAN_NUMERALS = re.compile("[〇零一二三四五六七八九十百千万萬億亿兩两壹貳叁]+")

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_ACRONYM = re.compile(r"(?<!\w)(?:[^\W\d_]\.){2,}")
_INITIAL = re.compile(r"(?<!\w)([^\W\d_])\.(?=\W|$)")
_NOT_DROPPED = "!?#%&@*"
_TOKEN = re.compile(r"(?<!\S)-\d+|\d+(?:st|nd|rd|th)(?![^\W\d_])|\d+|[^\W\d_]+|[^\w\s]|_")
# Latin letters that no normal form takes apart, and a Russian one that is seldom written.
_PLAIN = str.maketrans(
    {"ё": "е", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "ı": "i"}
)
_ALPHABETS = ("LATIN ", "GREEK ", "CYRILLIC ")


@dataclass(frozen=True, slots=True)
class TitleForm:
    """
    Attributes:
        words: without case, a leading "the", and the accents of Latin letters; a legal form at the
            end is written out, and numbers are digits, ordinals with "th".
        initials: those of the words that were written with a full stop, such as "J.".
        numbers: as digits however they are spelt ("IV", "four", "4th"), and runs of Han numerals as
            they stand; ascending.
        telling: words that have an opposite, with the line of opposites they are of.
        article: whether it began with "the".
        alphabetic: written in an alphabet where one letter seldom makes another word.
    """

    words: tuple[str, ...]
    initials: frozenset[str]
    numbers: tuple[str, ...]
    telling: frozenset[tuple[int, str]]
    article: bool
    alphabetic: bool

    @property
    def core(self) -> tuple[str, ...]:
        """The words without the legal forms at their end; at least one."""
        end = len(self.words)
        while end > 1 and self.words[end - 1] in LEGAL_FORMS:
            end -= 1
        return self.words[:end]

    @property
    def letters(self) -> int:
        return sum(map(len, self.words))


@lru_cache(maxsize=100_000)
def title_key(title: str) -> str:
    """Equal for titles that differ only in case, in compatible characters (full width), white
    space, dashes, quotation marks, full stops and the like, in "&" for "and", and in a "the" before
    several words. "" where nothing is left.

    Kept: signs that have a meaning (C++, C#, WHO?), a full stop before a word (.NET), a minus
    before a number, accents, and that there was something between two numbers.
    """
    text = _THOUSANDS.sub("", _folded(title)).replace("&", " and ")
    words = text.split()
    if len(words) > 2 and words[0] == "the":
        words = words[1:]
    text = " ".join(words)
    kept: list[str] = []
    gap = False
    for place, sign in enumerate(text):
        if _is_kept(text, place):
            if gap and kept and kept[-1].isnumeric() and sign.isnumeric():
                kept.append("_")
            kept.append(sign)
            gap = False
        else:
            gap = True
    return "".join(kept)


def _is_kept(text: str, place: int) -> bool:
    sign = text[place]
    if sign.isalnum():
        return sign != "ـ"  # stretches Arabic words
    if sign in ".-":  # .NET, -9
        before, after = text[max(place - 1, 0) : place], text[place + 1 : place + 2]
        return before in ("", " ") and (after.isalpha() if sign == "." else after.isdecimal())
    return sign in _NOT_DROPPED or unicodedata.category(sign)[0] in "MS"


@lru_cache(maxsize=100_000)
def title_form(title: str) -> TitleForm:
    text = _folded(title)
    alphabetic = all(
        unicodedata.name(sign, "").startswith(_ALPHABETS) for sign in text if sign.isalpha()
    )
    text = _without_accents(_THOUSANDS.sub("", text)).replace("&", " and ")
    initials = frozenset(found[1] for found in _INITIAL.finditer(text))
    text = _ACRONYM.sub(lambda found: found[0].replace(".", ""), text)
    text = re.sub("['’ʼ]", "", text)
    found = _words(text)
    article = len(found) > 1 and found[0] == "the"
    found = found[1:] if article else found
    numbers: list[str] = []
    words: list[str] = []
    for place, word in enumerate(found):
        value = _number(word, first=place == 0, initial=word in initials)
        if value is None:
            words.append(word)
            numbers.extend(_HAN_NUMERALS.findall(word))
        else:
            words.append(value)
            numbers.append(value.removesuffix("th"))
    if len(words) > 1:
        words[-1] = _LONG_FORMS.get(words[-1], words[-1])
    telling = {(line, word) for word in words for line, of in enumerate(_OPPOSITES) if word in of}
    return TitleForm(
        # Interned: a million titles are made of far fewer words.
        tuple(map(sys.intern, words)),
        initials,
        tuple(sorted(numbers)),
        frozenset(telling),
        article,
        alphabetic,
    )


def _folded(title: str) -> str:
    folded = unicodedata.normalize("NFKC", title).casefold()
    folded = unicodedata.normalize("NFKC", folded).replace("−", "-")
    if folded.isascii():
        return folded
    # Digits of all scripts are the same numbers.
    return "".join(str(unicodedata.digit(c)) if c.isdecimal() else c for c in folded)


def _without_accents(text: str) -> str:
    if text.isascii():
        return text
    plain: list[str] = []
    latin = False
    for sign in unicodedata.normalize("NFD", text):
        if unicodedata.combining(sign):
            if latin:
                continue
        else:
            latin = unicodedata.name(sign, "").startswith("LATIN ")
        plain.append(sign)
    return unicodedata.normalize("NFC", "".join(plain)).translate(_PLAIN)


def _words(text: str) -> list[str]:
    """Letters with their marks, digits, and signs that have a meaning."""
    if text.isascii():
        return [word for word in _TOKEN.findall(text) if _is_word(word)]
    # \w knows no combining marks, without which Hindi and Thai fall apart: those become letters.
    marks = [place for place, sign in enumerate(text) if unicodedata.category(sign)[0] == "M"]
    as_letters = list(text)
    for place in marks:
        as_letters[place] = "a"
    found = _TOKEN.finditer("".join(as_letters))
    return [text[word.start() : word.end()] for word in found if _is_word(word[0])]


def _is_word(token: str) -> bool:
    if len(token) > 1 or token.isalnum():
        return True
    return token in _NOT_DROPPED or unicodedata.category(token)[0] == "S"


def _number(word: str, *, first: bool, initial: bool) -> str | None:
    """As digits, an ordinal with "th"; None for what is no number, or as likely a name."""
    if word[-1].isdecimal():
        return word
    if word[0].isdecimal():
        return f"{word[:-2]}th"
    if word in _CARDINALS:
        return str(_CARDINALS.index(word) + 1)
    if word in _ORDINALS:
        return f"{_ORDINALS.index(word) + 1}th"
    if (first and len(word) == 1) or initial or not _ROMAN.fullmatch(word):
        return None
    # Single letters beyond X, and DC, CD, MD or MIX, are words more often than numbers.
    if word == "l" or (set(word) & set("cdm") and len(word) < 4):
        return None
    total = 0
    for sign, after in zip(word, (*word[1:], ""), strict=True):
        value = _ROMAN_VALUES[sign]
        total += -value if _ROMAN_VALUES.get(after, 0) > value else value
    return str(total)
