"""What every parser ends with: clean text, pages with offsets, and a title."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from graphmill.errors import FailureReason, InvalidDocument, NoText
from graphmill.models import Page, ParsedDocument

_PAGE_SEPARATOR = "\n\n"
_TITLE_CHARACTERS = 200

# Whatever the next two would change. Most texts hold none of it, and are spared two passes.
_ODD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_ODD_ASCII = bytes([*range(9), *range(11, 32), 127])
# Controls but tab and line feed, lone surrogates and noncharacters: PostgreSQL refuses the first
# kinds, and none of them is text.
_NOT_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SPACE_BEFORE_END = re.compile("[ \t]+\n")
_BLANK_LINES = re.compile("\n{3,}")
_HEADING = re.compile(r"^#{1,6}[ \t]+(\S.{0,500}?)[ \t]*#*$", re.MULTILINE)
_MARKUP = re.compile(r"[*_`]{1,3}|<br/?>|\\(?=[^\w\s])")
# Titles that programs write when nobody gave one.
_NO_TITLE = re.compile(
    r"(untitled|unbenannt|sans titre|document|presentation|powerpoint presentation|slide|title"
    r"|book|workbook|sheet|mappe|new|doc|page|layout|cover|noname|none|null|normal"
    r"|abstract|introduction|summary|contents|table of contents|notes)[\s_-]*\d*"
    r"|microsoft (word|powerpoint|excel).*|.*\.(docx?|pptx?|xlsx?|indd|qxd|tex|dvi|ps|pdf|rtf|fm)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Content:
    """What a parser found. `pages`: texts of pages, slides or sheets, in `parts` without pages."""

    parts: Sequence[str]
    paged: bool = False
    title: str = ""
    has_headings: bool = True


def assemble(format: str, stem: str, content: Content, max_characters: int) -> ParsedDocument:
    """Clean and join the parts, count the pages' offsets and choose a title.

    Raises:
        NoText: there is no letter or digit in it.
        InvalidDocument: too-large.
    """
    parts = [clean(part) for part in content.parts]
    total = sum(map(len, parts)) + len(_PAGE_SEPARATOR) * (len(parts) - 1)
    if total > max_characters:
        raise text_too_large(max_characters)
    pages: list[Page] = []
    written: list[str] = []
    offset = 0
    for number, part in enumerate(parts, start=1):
        if part and offset:
            written.append(_PAGE_SEPARATOR)
            offset += len(_PAGE_SEPARATOR)
        pages.append(Page(number, offset, offset + len(part)))
        written.append(part)
        offset += len(part)
    text = "".join(written)
    if not any(map(str.isalnum, text)):
        raise NoText("there is no text in this file")
    title = _title(text, content) or _tidy(clean(stem)) or "untitled"
    return ParsedDocument(format, title, text, tuple(pages) if content.paged else ())


def clean(text: str) -> str:
    """Line feeds only, no controls, no lone surrogates, NFC, at most one blank line in a row."""
    if _has_odd_ascii(text) if text.isascii() else _ODD.search(text):
        text = _NOT_TEXT.sub("", _LINE_ENDS.sub("\n", text))
    if not text.isascii() and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    if " \n" in text or "\t\n" in text or text.endswith((" ", "\t")):
        text = _SPACE_BEFORE_END.sub("\n", text).rstrip(" \t")
    if "\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    return text.strip("\n")


def _has_odd_ascii(text: str) -> bool:
    # Ten times as fast as the search: most of what is indexed is ASCII.
    return len(text.encode("ascii").translate(None, _ODD_ASCII)) != len(text)


def text_too_large(max_characters: int) -> InvalidDocument:
    return InvalidDocument(
        FailureReason.TOO_LARGE,
        f"the document has more than {max_characters:,} characters of text; split it, or raise"
        " GRAPHMILL_LIMIT_DOCUMENT_CHARACTERS",
    )


def _title(text: str, content: Content) -> str:
    """The heading it begins with, else the title it declares, else its first heading."""
    start = text[:4000].lstrip()
    heading = _HEADING.search(start) if content.has_headings else None
    if heading and heading.start() == 0 and (title := _sensible(heading[1])):
        return title
    if title := _sensible(clean(content.title)):
        return title
    return _sensible(heading[1]) if heading else ""


def _sensible(title: str) -> str:
    tidy = _tidy(_MARKUP.sub("", title))
    if len(tidy) > _TITLE_CHARACTERS or _NO_TITLE.fullmatch(tidy):
        return ""
    return tidy if any(map(str.isalnum, tidy)) else ""


def _tidy(title: str) -> str:
    return " ".join(title.split())[:_TITLE_CHARACTERS]
