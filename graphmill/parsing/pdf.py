"""PDF to markdown a page by liteparse, or to plain text by pypdfium2 where that fails."""

import importlib
import re
import zlib
from typing import Any

from graphmill.errors import FailureReason, InvalidDocument, NoText
from graphmill.parsing.markup import plain_inline, unescape
from graphmill.parsing.sniffing import needs_password
from graphmill.parsing.tables import repeat_headers
from graphmill.parsing.text import Content, text_too_large
from graphmill.settings import LimitSettings

# PDFium's FPDF_ERR_PASSWORD and the number of FPDF_PAGEOBJ_IMAGE.
_PASSWORD_ERROR = 4
_IMAGE = 3
_ENCRYPT = b"/Encrypt"

# One stream that is no picture (pictures of blank paper pack a thousandfold) unpacks to less.
_STREAM_BYTES = 100_000_000
_STREAM = re.compile(rb"stream\r?\n(?=[\x08-\x78])")
_FEED = 65_536

_FENCED = re.compile(r"\s*```(?:text)?\n(.*?)\n?```\s*", re.DOTALL)
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
    _refuse_bomb(data, limits)
    pages = None if careful else _markdown_pages(data, limits)
    if pages is None:
        pages = _plain_pages(data, limits)
    pages = [_mend(page) for page in pages]
    if not any(map(str.isalnum, "".join(pages))):
        raise _no_text(data)
    return Content(pages, paged=True, title=_title(data))


def _refuse_bomb(data: bytes, limits: LimitSettings) -> None:
    """Unpack deflated streams, piece by piece, before PDFium does so whole, 2 GB for 1 MB."""
    position = 0
    while found := _STREAM.search(data, position):
        start = position = found.end()
        header = int.from_bytes(data[start : start + 2], "big")
        dictionary = data[max(0, found.start() - 1000) : found.start()].rpartition(b"obj")[2]
        if data[start] & 15 != 8 or header % 31 or b"/Image" in dictionary:
            continue
        unpacker = zlib.decompressobj()
        size = 0
        while not unpacker.eof and position < len(data):
            piece = data[position : position + _FEED]
            try:
                size += len(unpacker.decompress(piece))
            except zlib.error:
                break
            position += len(piece) - len(unpacker.unused_data)
            packed = position - start
            if size > _STREAM_BYTES and size > limits.unpacked_ratio * packed:
                raise InvalidDocument(
                    FailureReason.TOO_LARGE,
                    f"a part of the PDF unpacks to more than {limits.unpacked_ratio:g} times its"
                    " size; print it to a new PDF",
                )


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
        if "password" in str(error).lower() and _ENCRYPT in data:
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
        # The code may be a leftover of the file before, where PDFium sets none: look for the lock.
        if getattr(error, "err_code", None) == _PASSWORD_ERROR and _ENCRYPT in data:
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
    return unescape(repeat_headers(plain_inline(joined)))


def _corrupt() -> InvalidDocument:
    return InvalidDocument(
        FailureReason.CORRUPT,
        "the PDF is damaged or cut short and no page of it can be read; get a whole copy",
    )
