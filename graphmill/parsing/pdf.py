"""PDF to markdown a page by liteparse, or to plain text by pypdfium2 where that fails."""

import importlib
import re
from typing import Any

from graphmill.errors import FailureReason, InvalidDocument, NoText
from graphmill.parsing.markup import plain_inline
from graphmill.parsing.sniffing import needs_password
from graphmill.parsing.tables import repeat_headers
from graphmill.parsing.text import Content, text_too_large
from graphmill.settings import LimitSettings

# PDFium's FPDF_ERR_PASSWORD and the number of FPDF_PAGEOBJ_IMAGE.
_PASSWORD_ERROR = 4
_IMAGE = 3

_FENCED = re.compile(r"\s*```(?:text)?\n(.*?)\n?```\s*", re.DOTALL)
_ESCAPED = re.compile(r"\\([_*#~<>\[\]])")
# PDFium marks a hyphen at a line's end so; the word goes on in the next line.
_BROKEN_WORD = re.compile("[\ufffe\x02]\r?\n?")
_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "ft", "ﬆ": "st"}
)


def read(data: bytes, limits: LimitSettings, careful: bool) -> Content:
    """One part a page.

    Raises:
        NoText: neither text nor pictures on any page.
        InvalidDocument: needs-password, needs-ocr, corrupt or too-large.
    """
    # liteparse hands anything that does not begin so to an Office program.
    data = data[data.find(b"%PDF-") :]
    pages = None if careful else _markdown_pages(data, limits)
    if pages is None:
        pages = _plain_pages(data, limits)
    pages = [_mend(page) for page in pages]
    if not any(map(str.isalnum, "".join(pages))):
        raise _no_text(data)
    return Content(pages, paged=True, title=_title(data))


def _markdown_pages(data: bytes, limits: LimitSettings) -> list[str] | None:
    """None where liteparse gives up on what another parser may read."""
    liteparse: Any = importlib.import_module("liteparse")
    parser = liteparse.LiteParse(
        ocr_enabled=False,  # or it downloads tables
        continue_on_page_error=True,
        output_format="markdown",
        image_mode="off",
        extract_links=False,
        num_workers=1,
        quiet=True,
    )
    try:
        result = parser.parse(data)
    except liteparse.ParseError as error:
        if "password" in str(error).lower():
            raise needs_password("file") from None
        return None
    if not result.pages:
        return None
    numbered: dict[int, str] = {page.page_num: page.markdown or "" for page in result.pages}
    if sum(map(len, numbered.values())) > limits.document_characters:
        raise text_too_large(limits.document_characters)
    # A page that failed keeps its number, so that those behind it keep theirs.
    pages = [numbered.get(number, "") for number in range(1, max(numbered) + 1)]
    return [fence[1] if (fence := _FENCED.fullmatch(page)) else page for page in pages]


def _plain_pages(data: bytes, limits: LimitSettings) -> list[str]:
    pages: list[str] = []
    size = 0
    failed = 0
    document = _open(data)
    try:
        for number in range(len(document)):
            text = ""
            try:
                text = str(document[number].get_textpage().get_text_range())
            except _pdfium_error():
                failed += 1
            size += len(text)
            if size > limits.document_characters:
                raise text_too_large(limits.document_characters)
            pages.append(text)
    finally:
        document.close()
    if failed == len(pages):  # zero pages too
        raise _corrupt()
    return pages


def _open(data: bytes) -> Any:
    pypdfium2: Any = importlib.import_module("pypdfium2")
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD_ERROR:
            raise needs_password("file") from None
        raise _corrupt() from None


def _pdfium_error() -> type[Exception]:
    pypdfium2: Any = importlib.import_module("pypdfium2")
    return pypdfium2.PdfiumError


def _no_text(data: bytes) -> InvalidDocument:
    document = _open(data)
    try:
        for number in range(len(document)):
            try:
                for _ in document[number].get_objects(filter=[_IMAGE], max_depth=5):
                    return InvalidDocument(
                        FailureReason.NEEDS_OCR,
                        "the pages are pictures without a text layer, and text in pictures is not"
                        " recognised; run OCR on it and upload the result",
                    )
            except _pdfium_error():
                continue
    finally:
        document.close()
    return NoText("the pages hold neither text nor pictures")


def _title(data: bytes) -> str:
    try:
        document = _open(data)
    except InvalidDocument:
        return ""
    try:
        return str(document.get_metadata_value("Title") or "")
    finally:
        document.close()


def _mend(page: str) -> str:
    joined = _BROKEN_WORD.sub("", page).translate(_LIGATURES)
    return _ESCAPED.sub(r"\1", repeat_headers(plain_inline(joined)))


def _corrupt() -> InvalidDocument:
    return InvalidDocument(
        FailureReason.CORRUPT,
        "the PDF is damaged or cut short and no page of it can be read; get a whole copy",
    )
