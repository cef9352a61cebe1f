"""What comes from a model or a document becomes text that can be stored, shown and compared."""

import re
import unicodedata

MAX_TITLE = 200
MAX_TYPE = 60

_SURROGATES = re.compile("[\ud800-\udfff]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_CONTROLS_BUT_LINES = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]+")
# They show nothing, turn what follows them, or hide a text of their own (the tag characters), so
# two titles that look alike would differ. Joiners stay: Persian and Hindi are spelt with them.
_INVISIBLE = re.compile(
    "[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]+"
)
_BLANK_LINES = re.compile(r"\n[ \n]*\n")
_QUOTES = ('""', "''", "``", "“”", "„“", "„”", "‘’", "«»", "»«", "「」", "『』")


def storable(text: str) -> str:
    """Without NULs; half a character (a lone surrogate) becomes U+FFFD."""
    # PostgreSQL takes neither. Encoding finds out many times faster than looking for surrogates.
    try:
        text.encode()
    except UnicodeEncodeError:
        text = _SURROGATES.sub("\ufffd", text)
    return text.replace("\0", "")


def one_line(text: str, most: int) -> str:
    """Single spaces, no control characters, nothing invisible, at most so many characters."""
    if text.isprintable():  # of all that would go it has spaces at most
        if len(text) <= most and "  " not in text and text == text.strip():
            return text  # as most texts are, and those that come here again
        return " ".join(text.split())[:most].rstrip()
    text = _INVISIBLE.sub("", storable(text))
    return " ".join(_CONTROLS.sub(" ", text).split())[:most].rstrip()


def paragraphs(text: str, most: int) -> str:
    """As `one_line`, but the ends of lines and of paragraphs stay."""
    text = _INVISIBLE.sub("", storable(text)).replace("\r\n", "\n")
    text = re.sub("[\u2028\u2029\r]", "\n", text)
    text = _CONTROLS_BUT_LINES.sub(" ", text)
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()[:most].rstrip()


def to_title(name: str) -> str:
    """What an entity is called: upper case, NFC, one line without quotation marks around it, at
    most 200 characters. Applying it again changes nothing."""
    # Upper case can undo a normal form, and what is composed can have another upper case.
    upper = unicodedata.normalize("NFC", one_line(name, len(name))).upper()
    upper = unicodedata.normalize("NFC", upper).replace("\u02bc", "'")  # of \u0149
    title = one_line(upper, MAX_TITLE)
    while len(title) > 1 and title[0] + title[-1] in _QUOTES:
        title = title[1:-1].strip()
    return title
