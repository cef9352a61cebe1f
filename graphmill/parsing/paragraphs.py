"""The bare text of a part of an Office file, paragraph by paragraph.

Word, PowerPoint and Excel name these elements alike (p, t, br), in body text, shapes and SmartArt.
Found by one pass over the bytes, without a tree and without entities; what a converter makes of a
file can be held against it, or replaced by it.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

# Never across a "<": linear on any input.
_TAG = re.compile(
    rb"<(/?)(?:\w{1,20}:)?(p|t|tab|br|cr|pStyle|rt|Fallback|moveFrom)(?=[\s/>])([^<>]*)>([^<]*)"
)
_VALUE = re.compile(rb"\bval=[\"']([^\"']{1,500})[\"']")
# Readings above characters, text given a second time for old programs, and where moved text was.
_UNREAD = frozenset((b"rt", b"Fallback", b"moveFrom"))


@dataclass(frozen=True, slots=True)
class Paragraph:
    """`style`: the id of its style, "" for the default one; `text`: on one line, never empty."""

    style: str
    text: str


def paragraphs(xml: bytes) -> Iterator[Paragraph]:
    """The paragraphs that hold text, in the part's order; one in a text box ends the one around."""
    style, unread = "", 0
    written: list[str] = []
    for tag in _TAG.finditer(xml):
        closes, name, attributes, text = tag.groups()
        if name in _UNREAD:
            unread += -1 if closes else not attributes.endswith(b"/")
        elif unread > 0:
            continue
        elif name == b"p":
            if line := _line(written):
                yield Paragraph(style, line)
            style, written = "", []
        elif name == b"pStyle":
            value = _VALUE.search(attributes)
            style = decoded(value[1]) if value else ""
        elif name != b"t":
            written.append(" ")
        elif not closes:
            written.append(decoded(text))
    if line := _line(written):
        yield Paragraph(style, line)


def decoded(text: bytes) -> str:
    """What XML text or an attribute's value says."""
    return html.unescape(text.decode("utf-8", errors="replace"))


def _line(written: list[str]) -> str:
    return " ".join("".join(written).split())
