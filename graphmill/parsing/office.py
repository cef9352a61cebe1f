"""docx, pptx and xlsx to markdown by office-oxide; slides and sheets are pages."""

import html
import re
from collections.abc import Sequence
from typing import Any

from graphmill.parsing import office_fallback
from graphmill.parsing.markup import plain_inline, unescape
from graphmill.parsing.sniffing import needs_password
from graphmill.parsing.tables import repeat_headers
from graphmill.parsing.text import Content, text_too_large
from graphmill.parsing.zips import open_zip, read_member
from graphmill.settings import LimitSettings

_SHEET = re.compile(rb"<(?:\w{1,20}:)?sheet\s[^<>]{0,2000}?\bname=\"([^\"<>]{0,500})\"")
_CORE_TITLE = re.compile(rb"<dc:title[^<>]{0,200}>([^<]{1,2000})</dc:title>")


def read(data: bytes, format: str, limits: LimitSettings) -> Content:
    """Raises: InvalidDocument (needs-password, corrupt, too-large)."""
    from office_oxide import Document, OfficeOxideError

    try:
        document = Document.from_bytes(data, format)  # pyright: ignore[reportArgumentType]
        markdown = document.to_markdown()
        slides = _slide_titles(document) if format == "pptx" else ()
    except OfficeOxideError as error:
        if "password" in str(error).lower():
            raise needs_password("file") from None
        # It is young: what it refuses an older library may read, or name what is wrong.
        return office_fallback.read(data, format, limits)
    if len(markdown) > limits.document_characters:
        raise text_too_large(limits.document_characters)
    title = declared_title(data, limits)
    if format == "docx":
        return Content((_tidy(markdown),), title=title)
    names = slides if format == "pptx" else sheet_names(data, limits)
    pages = split_at_headings(markdown, names)
    if pages is None:  # without page numbers rather than with wrong ones
        return Content((_tidy(markdown),), title=title)
    return Content([_tidy(page) for page in pages], paged=True, title=title)


def declared_title(data: bytes, limits: LimitSettings) -> str:
    core = read_member(open_zip(data, limits), "docProps/core.xml", 1_000_000)
    found = _CORE_TITLE.search(core)
    return html.unescape(found[1].decode("utf-8", errors="replace")) if found else ""


def sheet_names(data: bytes, limits: LimitSettings) -> tuple[str, ...]:
    """In the workbook's order, hidden and empty ones too."""
    workbook = read_member(open_zip(data, limits), "xl/workbook.xml", 10_000_000)
    return tuple(
        html.unescape(name.decode("utf-8", errors="replace")) for name in _SHEET.findall(workbook)
    )


def split_at_headings(markdown: str, names: Sequence[str]) -> list[str] | None:
    """One part a name, in order: from the line "## name" to the next. An absent one gives "".

    None where the text does not begin with one, or holds none: the names do not fit.
    """
    wanted = [f"## {_normal(name)}" for name in names]
    position_of: dict[str, list[int]] = {}
    for index, heading in enumerate(wanted):
        position_of.setdefault(heading, []).append(index)
    parts: list[list[str]] = [[] for _ in names]
    current = -1
    for line in markdown.split("\n"):
        if line.startswith("## "):
            later = (i for i in position_of.get(_normal(line), ()) if i > current)
            current = next(later, current)
        if current >= 0:
            parts[current].append(line)
        elif line.strip():
            return None
    return ["\n".join(lines) for lines in parts] if current >= 0 else None


def _slide_titles(document: Any) -> tuple[str, ...]:
    sections: list[dict[str, Any]] = document.to_ir()["sections"]
    return tuple(
        str(section.get("title") or f"Slide {number}")
        for number, section in enumerate(sections, start=1)
    )


def _normal(heading: str) -> str:
    return " ".join(heading.split())


def _tidy(markdown: str) -> str:
    return unescape(repeat_headers(plain_inline(markdown)))
