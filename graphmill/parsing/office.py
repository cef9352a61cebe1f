"""docx, pptx and xlsx to markdown by office-oxide; slides and sheets are pages."""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any
from zipfile import ZipFile

from graphmill.errors import FailureReason, InvalidDocument
from graphmill.parsing import office_fallback
from graphmill.parsing.markup import plain_inline, unescape
from graphmill.parsing.paragraphs import Paragraph, decoded, paragraphs
from graphmill.parsing.refusals import needs_password
from graphmill.parsing.tables import repeat_headers
from graphmill.parsing.text import Content, text_too_large
from graphmill.parsing.zips import open_zip, read_member
from graphmill.settings import LimitSettings

_SHEET = re.compile(rb"<(?:\w{1,20}:)?sheet\s[^<>]{0,2000}?\bname=\"([^\"<>]{0,500})\"")
_SLIDE = re.compile(rb"<(?:\w{1,20}:)?sldId\s[^<>]{0,500}?:id=")
_CORE_TITLE = re.compile(rb"<dc:title[^<>]{0,200}>([^<]{1,2000})</dc:title>")
# Word translates the id of its Title style, and leaves the name.
_TITLE_STYLE = re.compile(
    rb"<(?:\w{1,20}:)?style\s([^<>]{0,500})>\s*<(?:\w{1,20}:)?name\s[^<>]{0,100}\bval=\"[Tt]itle\""
)
_STYLE_ID = re.compile(rb"\bstyleId=\"([^\"]{1,300})\"")
_ALTERNATIVE_TEXT = re.compile(rb"\bdescr=\"([^\"<>]{1,2000})\"")
_DRAWN = re.compile(r"(?:xl|word|ppt)/(?:drawings/drawing|diagrams/data)\d{0,9}\.xml")
_SHEET_DRAWING = re.compile(r"xl/drawings/drawing\d{0,9}\.xml")

# Names of picture files, which Office gives as alternative text when nobody wrote one.
_PICTURE = r"\.(?:png|jpe?g|gif|bmp|[ew]mf|tiff?|svg|webp)"
_PICTURE_IMAGE = re.compile(
    rf"!\[[^\[\]\n]{{0,2000}}{_PICTURE}\]\([^()\n]{{0,2000}}\)", re.IGNORECASE
)
_PICTURE_EMPHASIS = re.compile(rf"\*([^*\n]{{0,2000}}{_PICTURE})\*", re.IGNORECASE)
_TABLE_AFTER_TEXT = re.compile(r"^([^|\n]+)(\|[^\n]*\n\|(?: -{3,} \|)+)$", re.MULTILINE)
_RULE_IN_CELL = re.compile(r"<br>\|(?: -{3,} \|)+")

_PART_BYTES = 50_000_000
_TITLE_CHARACTERS = 500
_TITLE_WITHIN = 100_000


def read(data: bytes, format: str, limits: LimitSettings) -> Content:
    """Raises: InvalidDocument (needs-password, corrupt, too-large)."""
    from office_oxide import Document, OfficeOxideError

    try:
        document = Document.from_bytes(data, format)  # pyright: ignore[reportArgumentType]
        markdown = document.to_markdown()
        slides = _slide_titles(document, data, limits) if format == "pptx" else ()
    except OfficeOxideError as error:
        if "password" in str(error).lower():
            raise needs_password("file") from None
        # It is young: what it refuses an older library may read, or name what is wrong.
        return office_fallback.read(data, format, limits)
    if len(markdown) > limits.document_characters:
        raise text_too_large(limits.document_characters)
    archive = open_zip(data, limits)
    title = declared_title(data, limits)
    if format == "docx":
        return _docx(markdown, archive, title, limits)
    if not _says_anything(markdown) and (drawn := _drawn(archive, limits)):
        return Content((f"{_tidy(markdown)}\n\n{drawn}",), title=title)
    names = slides if format == "pptx" else sheet_names(data, limits)
    pages = split_at_headings(markdown, names)
    tidy = _tidy if format == "pptx" else partial(_tidy_sheet, _shapes(archive))
    if pages is None:  # without page numbers rather than with wrong ones
        return Content((tidy(markdown),), title=title)
    return Content([tidy(page) for page in pages], paged=True, title=title)


def _docx(markdown: str, archive: ZipFile, title: str, limits: LimitSettings) -> Content:
    body = read_member(archive, "word/document.xml", _PART_BYTES)
    letters, styled = _survey(body, _title_styles(archive))
    if 3 * _letters(markdown) < 2 * letters:
        # The converter skips some elements with all that is in them, as ruby.
        text = _joined(paragraphs(body), limits)
    else:
        text = _tidy(_without_picture_names(markdown, body))
    if not _says_anything(text):
        text = f"{text}\n\n{_drawn(archive, limits)}"
        if not _says_anything(text) and b":altChunk" in body:
            raise InvalidDocument(
                FailureReason.UNSUPPORTED,
                "the docx holds its text as an embedded file (such as a web page), which is not"
                " read; open it in Word and save it again",
            )
    return Content((_with_heading(text, styled),), title=styled or title)


def _survey(body: bytes, title_styles: frozenset[str]) -> tuple[int, str]:
    """The number of letters, and the first paragraph in a style for titles, "" without one."""
    letters, title = 0, ""
    for paragraph in paragraphs(body):
        letters += _letters(paragraph.text)
        if not title and paragraph.style in title_styles:
            title = paragraph.text
    return letters, title if len(title) <= _TITLE_CHARACTERS else ""


def _title_styles(archive: ZipFile) -> frozenset[str]:
    styles = _TITLE_STYLE.findall(read_member(archive, "word/styles.xml", 10_000_000))
    ids = (decoded(id) for attributes in styles for id in _STYLE_ID.findall(attributes))
    return frozenset(("Title", *ids))


def _with_heading(text: str, title: str) -> str:
    """The text with the first line that is the title, or lines where it is broken, as heading."""
    if not title:
        return text
    words = r"\s+".join(map(re.escape, title.split()))
    found = re.compile(rf"^{words}[ \t]*$", re.MULTILINE).search(text, 0, _TITLE_WITHIN)
    return f"{text[: found.start()]}# {title}{text[found.end() :]}" if found else text


def _without_picture_names(markdown: str, body: bytes) -> str:
    """Less alternative text that is only a file's name or path, set as emphasis."""
    if not _PICTURE_EMPHASIS.search(markdown):
        return markdown
    # Without backslashes, which are doubled in markdown.
    names = {decoded(name).replace("\\", "") for name in _ALTERNATIVE_TEXT.findall(body)}

    def unnamed(found: re.Match[str]) -> str:
        return "" if found[1].replace("\\", "") in names else found[0]

    return _PICTURE_EMPHASIS.sub(unnamed, markdown)


def _drawn(archive: ZipFile, limits: LimitSettings) -> str:
    """The text in shapes and SmartArt that are parts of their own."""
    names = filter(_DRAWN.fullmatch, archive.namelist())
    parts = (read_member(archive, name, _PART_BYTES) for name in names)
    return _joined(chain.from_iterable(map(paragraphs, parts)), limits)


def _joined(found: Iterable[Paragraph], limits: LimitSettings) -> str:
    text = io.StringIO()  # a list of a million short ones would be many times their size
    for paragraph in found:
        text.write(f"{paragraph.text}\n\n")
        if text.tell() > limits.document_characters:
            raise text_too_large(limits.document_characters)
    return text.getvalue()


def _shapes(archive: ZipFile) -> dict[str, str]:
    """The text of each shape of a workbook, a line a paragraph, by the same without spaces."""
    shapes: dict[str, str] = {}
    for name in filter(_SHEET_DRAWING.fullmatch, archive.namelist()):
        drawing = read_member(archive, name, _PART_BYTES)
        for body in drawing.split(b"txBody>")[1::2]:
            lines = [paragraph.text for paragraph in paragraphs(body)]
            shapes.setdefault(_squeezed("".join(lines)), "\n".join(lines))
    return shapes


def declared_title(data: bytes, limits: LimitSettings) -> str:
    core = read_member(open_zip(data, limits), "docProps/core.xml", 1_000_000)
    found = _CORE_TITLE.search(core)
    return decoded(found[1]) if found else ""


def sheet_names(data: bytes, limits: LimitSettings) -> tuple[str, ...]:
    """In the workbook's order, hidden and empty ones too."""
    workbook = read_member(open_zip(data, limits), "xl/workbook.xml", 10_000_000)
    return tuple(map(decoded, _SHEET.findall(workbook)))


def split_at_headings(markdown: str, names: Sequence[str]) -> list[str] | None:
    """One part a name, in order: from the line "## name" to the next. An absent one gives "".

    None where the text does not begin with one, or holds none: the names do not fit.
    """
    wanted = [_normal(f"## {name}") for name in names]
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


def _slide_titles(document: Any, data: bytes, limits: LimitSettings) -> tuple[str, ...]:
    sections: list[dict[str, Any]] = document.to_ir()["sections"]
    presentation = read_member(open_zip(data, limits), "ppt/presentation.xml", 10_000_000)
    # Behind the slides may be a section for the master.
    count = len(_SLIDE.findall(presentation)) or len(sections)
    return tuple(
        str(section.get("title") or f"Slide {number}")
        for number, section in enumerate(sections[:count], start=1)
    )


def _normal(heading: str) -> str:
    """Its first line: a title of several is a heading of one, and text below."""
    return " ".join(heading.partition("\n")[0].split())


def _says_anything(markdown: str) -> bool:
    lines = (line for line in markdown.split("\n") if not line.startswith("#"))
    return any(any(map(str.isalnum, line)) for line in lines)


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _squeezed(text: str) -> str:
    return "".join(text.replace("\\", "").split())


def _tidy_sheet(shapes: Mapping[str, str], markdown: str) -> str:
    """As _tidy, less empty rows and columns; and spaces between words of shapes, lost before."""
    if shapes:
        markdown = "\n".join(
            line if line.startswith("|") else shapes.get(_squeezed(line), line)
            for line in markdown.split("\n")
        )
    return _tidy(markdown, trim=True)


def _tidy(markdown: str, trim: bool = False) -> str:
    text = _PICTURE_IMAGE.sub("", markdown)
    text = _RULE_IN_CELL.sub("", text).replace("<br>", " ")
    text = _TABLE_AFTER_TEXT.sub(r"\1\n\n\2", text)
    return unescape(repeat_headers(plain_inline(text), trim))
