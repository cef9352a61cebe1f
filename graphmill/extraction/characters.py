"""Characters: which make words, which are markup, and how a mention becomes a title.

The classes are strings for use between [ and ] in a regular expression. They are built here because
the standard library's re knows no Unicode properties, and \\w lacks the combining marks without
which Hindi, Thai or vocalised Arabic fall apart.
"""

import re
import unicodedata
from collections.abc import Iterable

MAX_TITLE = 200
# Longer "words" are keys, hashes and other data.
MAX_WORD = 60

# Where scripts with words lie, CJK excluded: it has its own classes below.
_WORD_RANGES = ((0x30, 0x2C00), (0x2C00, 0x2E00), (0xA640, 0xAC00), (0xFB00, 0xFE00))


def _class(categories: Iterable[str]) -> str:
    """Ranges such as "A-ZÀ-Ö" of all characters of these categories (or their first letter)."""
    wanted = tuple(categories)
    ranges: list[list[int]] = []
    for first, end in _WORD_RANGES:
        for code in range(first, end):
            # Tai Le to Hangul Jamo Extended aside, Jamo (0x1100) are the only CJK in these ranges.
            if unicodedata.category(chr(code)).startswith(wanted) and not 0x1100 <= code < 0x1200:
                if ranges and ranges[-1][1] == code - 1:
                    ranges[-1][1] = code
                else:
                    ranges.append([code, code])
    return "".join(chr(a) if a == b else f"{chr(a)}-{chr(b)}" for a, b in ranges)


UPPER = _class(("Lu", "Lt"))
LOWER = _class(("Ll",))
WORD = _class(("L", "M", "Nd"))
# Letters that have no case: Arabic, Hebrew, Devanagari, Thai, ...
CASELESS = _class(("Lo",))

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff々〇"
HIRAGANA = "\u3041-\u309f"
KATAKANA = "\u30a1-\u30fa\u30fc-\u30ff\uff66-\uff9f"
HANGUL = "\uac00-\ud7a3"
CJK = HAN + HIRAGANA + KATAKANA + HANGUL

# Each becomes one character, so that offsets stay: markup and control characters become a space.
_MASK: dict[int, str] = {
    **dict.fromkeys((*range(0x00, 0x0A), *range(0x0B, 0x20), *range(0x7F, 0xA0)), " "),
    **{ord(c): " " for c in "*_`~#<>[]{}\\^=\u00a0\u00ad\u200b\u2028\u2029\ufeff\ufffe\uffff"},
    **dict.fromkeys((0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)), " "),
    **dict.fromkeys(map(ord, "\u2018\u2019\u201a\u201b\u02bc\u2032\u00b4"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb"), '"'),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2013"), "-"),
}

# Addresses, targets of links, tags and entities of HTML: never a name. All bounded, so that a
# text of openings without ends takes linear time.
_NOT_TEXT = re.compile(
    r"(?:https?|ftp|file|mailto)://?[^\s|)>\]]{1,2000}"
    r"|www\.[^\s|)>\]]{1,2000}"
    r"|\]\([^()\s]{0,2000}(?:\s\"[^\"\n]{0,200}\")?\)"
    r"|</?[A-Za-z][A-Za-z0-9]{0,15}(?:\s[^<>\n]{0,1000})?/?>"
    r"|&(?:#x?[0-9a-fA-F]{1,6}|[A-Za-z]{2,8});"
    r"|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}"
)
_SIGNS_OF_NOT_TEXT = ("://", "www.", "](", "<", "@", "&", "mailto:")

_SPACES = re.compile(r"\s+")
_DROPPED = dict.fromkeys((*range(0, 9), *range(14, 32), *range(127, 160)))
_QUOTES_AND_SPACES = " \t\r\n\"'`-–—.,;:·"


def mask(text: str) -> str:
    """The text with markup, addresses and control characters blanked and quotes straight, at the
    same offsets."""
    if any(sign in text for sign in _SIGNS_OF_NOT_TEXT):
        text = _NOT_TEXT.sub(_blank, text)
    return text.translate(_MASK)


def _blank(match: re.Match[str]) -> str:
    return " " * (match.end() - match.start())


def to_title(mention: str) -> str:
    """What a mention (of masked text) is called: upper case, NFC, single spaces, at most 200
    characters; applying it again changes nothing."""
    title = _SPACES.sub(" ", mention.translate(_DROPPED)).strip(_QUOTES_AND_SPACES)
    # Upper case can undo a normal form, and what is composed can have another upper case.
    title = unicodedata.normalize("NFC", unicodedata.normalize("NFC", title).upper())
    title = title.replace("\u02bc", "'")  # of \u0149
    return title[:MAX_TITLE].rstrip()
