"""docx, pptx and xlsx by python-docx, python-pptx and openpyxl: slower, but they never abort."""

import importlib
import io
import warnings
from collections.abc import Iterator
from typing import Any

from graphmill.errors import FailureReason, InvalidDocument, PermanentError
from graphmill.parsing.tables import table, without_empty_columns
from graphmill.parsing.text import Content, text_too_large
from graphmill.settings import LimitSettings


def read(data: bytes, format: str, limits: LimitSettings) -> Content:
    """Raises: InvalidDocument (corrupt, too-large)."""
    readers = {"docx": _read_docx, "pptx": _read_pptx, "xlsx": _read_xlsx}
    with warnings.catch_warnings():  # they quote the document
        warnings.simplefilter("ignore")
        try:
            return readers[format](data, limits)
        except (PermanentError, MemoryError):
            raise
        except Exception:
            # These libraries raise what Python happens to (KeyError, AttributeError, XML errors).
            raise corrupt(format) from None


def corrupt(format: str) -> InvalidDocument:
    return InvalidDocument(
        FailureReason.CORRUPT,
        f"the {format} is damaged and cannot be read; open it in Office and save it again",
    )


# The three libraries have no types, or not all; what is read of them stays in these functions.


def _read_docx(data: bytes, limits: LimitSettings) -> Content:
    document: Any = importlib.import_module("docx").Document(io.BytesIO(data))
    blocks = _bounded(_docx_blocks(document), limits)
    return Content(("\n\n".join(blocks),), title=str(document.core_properties.title or ""))


def _docx_blocks(document: Any) -> Iterator[str]:
    for block in document.iter_inner_content():
        if hasattr(block, "rows"):
            yield table([[cell.text for cell in row.cells] for row in block.rows])
        else:
            style = str(getattr(block.style, "name", "") or "")
            level = style.removeprefix("Heading ")
            mark = f"{'#' * min(int(level), 6)} " if level.isdecimal() and int(level) else ""
            yield mark + str(block.text)


def _read_pptx(data: bytes, limits: LimitSettings) -> Content:
    presentation: Any = importlib.import_module("pptx").Presentation(io.BytesIO(data))
    slides = ("\n\n".join(_slide_blocks(slide)) for slide in presentation.slides)
    pages = _bounded(slides, limits)
    return Content(pages, paged=True, title=str(presentation.core_properties.title or ""))


def _slide_blocks(slide: Any) -> Iterator[str]:
    title = slide.shapes.title
    if title is not None and title.text_frame.text.strip():
        yield "## " + " ".join(title.text_frame.text.split())
    pending: list[Any] = list(slide.shapes)[::-1]
    while pending:
        shape = pending.pop()
        if title is not None and shape.shape_id == title.shape_id:
            continue
        if hasattr(shape, "shapes"):  # a group
            pending.extend(list(shape.shapes)[::-1])
        elif shape.has_text_frame:
            yield str(shape.text_frame.text)
        elif getattr(shape, "has_table", False):
            yield table([[cell.text for cell in row.cells] for row in shape.table.rows])
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        yield "> Notes: " + str(slide.notes_slide.notes_text_frame.text)


def _read_xlsx(data: bytes, limits: LimitSettings) -> Content:
    openpyxl: Any = importlib.import_module("openpyxl")
    workbook = openpyxl.load_workbook(
        io.BytesIO(data), read_only=True, data_only=True, keep_links=False
    )
    pages = _bounded((_sheet(sheet, limits) for sheet in workbook.worksheets), limits)
    return Content(pages, paged=True, title=str(workbook.properties.title or ""))


def _sheet(sheet: Any, limits: LimitSettings) -> str:
    sheet.reset_dimensions()  # what the file claims may be a billion cells
    rows: list[list[str]] = []
    size = 0
    for values in sheet.iter_rows(values_only=True):
        row = ["" if value is None else str(value) for value in values]
        while row and not row[-1]:
            row.pop()
        if row:
            rows.append(row)
            size += sum(map(len, row)) + 3 * len(row)
            if size > limits.document_characters:
                raise text_too_large(limits.document_characters)
    return f"## {sheet.title}\n\n{table(without_empty_columns(rows))}" if rows else ""


def _bounded(blocks: Iterator[str], limits: LimitSettings) -> list[str]:
    kept: list[str] = []
    size = 0
    for block in blocks:
        size += len(block)
        if size > limits.document_characters:
            raise text_too_large(limits.document_characters)
        kept.append(block)
    return kept
