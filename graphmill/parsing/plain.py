"""Plain text and markdown: taken as they are; form feeds part the pages of plain text."""

import re

from graphmill.parsing.decoding import decode
from graphmill.parsing.text import Content
from graphmill.settings import LimitSettings

_FRONT_MATTER = re.compile(r"---\r?\n(.{0,5000}?)\r?\n---\r?\n", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:[ \t]*(.{1,300}?)[ \t\r]*$", re.MULTILINE)


def read(data: bytes, format: str, limits: LimitSettings) -> Content:
    """Raises: InvalidDocument (not text; too-large)."""
    text = decode(data, format, limits.document_characters)
    if format == "md":
        return Content((text,), title=_front_title(text))
    pages = text.rstrip("\f").split("\f")
    # A "#" in plain text is a comment or a number sign as often as a heading.
    return Content(pages, paged=len(pages) > 1, has_headings=False)


def _front_title(text: str) -> str:
    front = _FRONT_MATTER.match(text)
    title = _FRONT_TITLE.search(front[1]) if front else None
    return title[1].strip("\"'") if title else ""
