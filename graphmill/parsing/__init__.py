"""Bytes of a document in, markdown text with page offsets out: one parser a format, guards before.

`parse` is CPU-bound and calls C, C++ and Rust libraries on hostile input: run it in a process that
may be killed (graphmill.process_pool), with a memory limit.
"""

from pathlib import PurePosixPath

from graphmill.errors import FailureReason, InvalidDocument, NoText
from graphmill.models import ParsedDocument
from graphmill.parsing.sniffing import recognise
from graphmill.parsing.text import Content, assemble
from graphmill.settings import LimitSettings

# Part of what makes a stored text current: raise it when the same bytes may give another text.
PARSER_VERSION = "2"

__all__ = ["PARSER_VERSION", "parse"]


def parse(data: bytes, name: str, limits: LimitSettings, careful: bool = False) -> ParsedDocument:
    """Read a document. The same bytes and name give the same text each time.

    Args:
        data: the whole file.
        name: source name; its ending decides between kinds of text, binary formats are recognised
            by their content; its stem is the title where the document has none.
        limits: bounds on bytes, characters and what archives may unpack to.
        careful: second try, after the process of the first one died: parsers that are slower or
            keep less, but have not been seen to abort.

    Raises:
        NoText: nothing to read in it.
        InvalidDocument: the reason and what to do about it.
    """
    if len(data) > limits.document_bytes:
        raise InvalidDocument(
            FailureReason.TOO_LARGE,
            f"the file has {len(data):,} bytes and the limit is {limits.document_bytes:,};"
            " split it, or raise GRAPHMILL_LIMIT_DOCUMENT_BYTES",
        )
    if not data:
        raise NoText("the file is empty")
    format = recognise(data, name, limits, careful)
    content = _read(format, data, name, limits, careful)
    return assemble(format, PurePosixPath(name).stem or name, content, limits.document_characters)


def _read(format: str, data: bytes, name: str, limits: LimitSettings, careful: bool) -> Content:
    # Imported here: a process that sees only plain text should not load the PDF libraries.
    match format:
        case "txt" | "md":
            from graphmill.parsing import plain

            return plain.read(data, format, limits)
        case "html":
            from graphmill.parsing import html

            return html.read(data, limits, careful)
        case "csv":
            from graphmill.parsing import delimited

            return delimited.read(data, name, limits)
        case "json" | "jsonl":
            from graphmill.parsing import records

            return records.read(data, format, limits)
        case "pdf":
            from graphmill.parsing import pdf

            return pdf.read(data, limits, careful)
        case _:
            if careful:
                from graphmill.parsing import office_fallback

                return office_fallback.read(data, format, limits)
            from graphmill.parsing import office

            return office.read(data, format, limits)
