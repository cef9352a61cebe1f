"""Writes the dossier's PDF, Word, PowerPoint and Excel documents from examples/sources/*.md.

    .venv/bin/python examples/build_dossier.py [FOLDER]     (default: examples/dossier)

The same sources give the same bytes: every date in a file's metadata is DATE, and members of zip
archives carry it too. The dossier's other formats are text and are written by hand in its folder.
"""

import io
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import docx
import openpyxl
import pptx
import pptx.util
from docx.shared import Pt
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, PageBreak, SimpleDocTemplate, Spacer, Table, TableStyle
from reportlab.platypus import Paragraph as PdfParagraph

EXAMPLES = Path(__file__).resolve().parent
SOURCES = EXAMPLES / "sources"
AUTHOR = "graphmill sample dossier"
DATE = datetime(2019, 2, 5, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """A table; its first row is the head."""

    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Note:
    """What the speaker says: into the notes of a slide."""

    text: str


@dataclass(frozen=True, slots=True)
class Break:
    """A new page or slide."""


Block = Heading | Paragraph | Bullets | Rows | Note | Break


def read_blocks(source: str) -> list[Block]:
    """The few marks of Markdown that the sources use; blocks are separated by empty lines."""
    return [_read_block(chunk.splitlines()) for chunk in re.split(r"\n{2,}", source.strip())]


def _read_block(lines: list[str]) -> Block:
    first = lines[0]
    if first == "---":
        return Break()
    if heading := re.fullmatch(r"(#+) (.+)", first):
        return Heading(len(heading[1]), heading[2])
    if first.startswith("| "):
        cells = [tuple(cell.strip() for cell in line.strip("| ").split(" | ")) for line in lines]
        return Rows((cells[0], *cells[2:]))  # cells[1] is the line of dashes
    if first.startswith("- "):
        return Bullets(tuple(line.removeprefix("- ") for line in lines))
    if first.startswith("> "):
        return Note(" ".join(line.removeprefix("> ") for line in lines))
    return Paragraph(" ".join(lines))


def write_docx(blocks: list[Block]) -> bytes:
    document = docx.Document()
    document.styles["Normal"].font.size = Pt(11)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    for block in blocks:
        match block:
            case Heading(level, text):
                document.add_heading(text, level)
            case Paragraph(text) | Note(text):
                document.add_paragraph(text)
            case Bullets(texts):
                for text in texts:
                    document.add_paragraph(text, "List Bullet")
            case Rows(rows):
                table = document.add_table(len(rows), len(rows[0]), "Table Grid")
                for row, cells in zip(table.rows, rows, strict=True):
                    for cell, text in zip(row.cells, cells, strict=True):
                        cell.text = text
            case Break():
                document.add_page_break()
    properties = document.core_properties
    properties.author = properties.last_modified_by = AUTHOR
    properties.title = _title(blocks)
    properties.created = properties.modified = DATE
    buffer = io.BytesIO()
    document.save(buffer)
    return _with_fixed_dates(buffer.getvalue())


def write_pptx(blocks: list[Block]) -> bytes:
    presentation = pptx.Presentation()
    for slide_blocks in _split_at_breaks(blocks):
        layout = presentation.slide_layouts[5]  # title only
        slide = presentation.slides.add_slide(layout)
        top: pptx.util.Length = pptx.util.Mm(45)
        for block in slide_blocks:
            left, width = pptx.util.Mm(15), pptx.util.Mm(224)
            match block:
                case Heading(_, text):
                    title = slide.shapes.title
                    assert title is not None  # the layout has one
                    title.text_frame.text = text
                case Paragraph() | Bullets():
                    texts = block.texts if isinstance(block, Bullets) else (block.text,)
                    height = pptx.util.Mm(14 * len(texts))
                    frame = slide.shapes.add_textbox(left, top, width, height).text_frame
                    frame.word_wrap = True
                    for number, text in enumerate(texts):
                        paragraph = frame.add_paragraph() if number else frame.paragraphs[0]
                        paragraph.text = text
                        paragraph.font.size = pptx.util.Pt(20)
                    top = pptx.util.Emu(top + height)
                case Rows(rows):
                    height = pptx.util.Mm(14 * len(rows))
                    frame = slide.shapes.add_table(
                        len(rows), len(rows[0]), left, top, width, height
                    )
                    for y, cells in enumerate(rows):
                        for x, text in enumerate(cells):
                            frame.table.cell(y, x).text = text
                    top = pptx.util.Emu(top + height)
                case Note(text):
                    notes = slide.notes_slide.notes_text_frame
                    assert notes is not None  # every notes slide has one
                    notes.text = text
                case Break():
                    pass
    properties = presentation.core_properties
    properties.author = properties.last_modified_by = AUTHOR
    properties.title = _title(blocks)
    properties.created = properties.modified = DATE
    buffer = io.BytesIO()
    presentation.save(buffer)
    return _with_fixed_dates(buffer.getvalue())


def write_xlsx(blocks: list[Block]) -> bytes:
    """One sheet for each heading, with the table that follows it."""
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.worksheets[0])
    for block in blocks:
        match block:
            case Heading(_, text):
                workbook.create_sheet(text)
            case Rows(rows):
                for row in rows:
                    workbook.worksheets[-1].append([_cell(text) for text in row])
            case _:
                raise ValueError(f"a sheet holds headings and tables, not {block}")
    workbook.properties.creator = AUTHOR
    buffer = io.BytesIO()
    workbook.save(buffer)
    return _with_fixed_dates(buffer.getvalue())


def write_pdf(blocks: list[Block]) -> bytes:
    buffer = io.BytesIO()
    # invariant: no date and no random id; uncompressed: the same bytes with every zlib
    document = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=25 * mm,
        rightMargin=25 * mm,
        title=_title(blocks),
        author=AUTHOR,
        invariant=1,
        pageCompression=0,
    )
    document.build(list(_pdf_flowables(blocks)))
    return buffer.getvalue()


def _pdf_flowables(blocks: list[Block]) -> Iterator[Flowable]:
    styles = getSampleStyleSheet()
    body = ParagraphStyle("body", styles["BodyText"], fontSize=11, leading=15, spaceAfter=6)
    cell = ParagraphStyle("cell", styles["BodyText"], fontSize=9, leading=11)
    for block in blocks:
        match block:
            case Heading(level, text):
                yield PdfParagraph(_escape(text), styles[f"Heading{level}"])
            case Paragraph(text) | Note(text):
                yield PdfParagraph(_escape(text), body)
            case Bullets(texts):
                for text in texts:
                    yield PdfParagraph(_escape(text), body, bulletText="\u2022")
            case Rows(rows):
                yield Table(
                    [[PdfParagraph(_escape(text), cell) for text in row] for row in rows],
                    style=TableStyle(
                        [
                            ("GRID", (0, 0), (-1, -1), 0.5, colors.grey),
                            ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
                            ("VALIGN", (0, 0), (-1, -1), "TOP"),
                        ]
                    ),
                )
                yield Spacer(0, 4 * mm)
            case Break():
                yield PageBreak()


def _title(blocks: list[Block]) -> str:
    return next(block.text for block in blocks if isinstance(block, Heading))


def _split_at_breaks(blocks: list[Block]) -> Iterator[list[Block]]:
    for is_break, group in groupby(blocks, lambda block: isinstance(block, Break)):
        if not is_break:
            yield list(group)


def _cell(text: str) -> str | float:
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else text


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _with_fixed_dates(archive: bytes) -> bytes:
    """The same zip archive with DATE on its members and in its metadata (openpyxl sets its own)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "docProps/core.xml":
                content = re.sub(
                    rb"(<dcterms:(created|modified)[^>]*>)[^<]*",
                    rb"\g<1>" + DATE.strftime("%Y-%m-%dT%H:%M:%SZ").encode(),
                    content,
                )
            member = zipfile.ZipInfo(name, DATE.timetuple()[:6])
            member.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(member, content)
    return buffer.getvalue()


WRITERS: dict[str, Callable[[list[Block]], bytes]] = {
    ".docx": write_docx,
    ".pptx": write_pptx,
    ".xlsx": write_xlsx,
    ".pdf": write_pdf,
}


def build(folder: Path) -> list[Path]:
    """Write every document that has a source into folder; returns their paths, sorted."""
    written: list[Path] = []
    for source in sorted(SOURCES.glob("*.md")):
        path = folder / source.stem  # name.pdf.md is the source of name.pdf
        path.write_bytes(WRITERS[path.suffix](read_blocks(source.read_text(encoding="utf-8"))))
        written.append(path)
    return written


if __name__ == "__main__":
    for path in build(Path(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES / "dossier"):
        print(path)
