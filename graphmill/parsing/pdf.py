"""PDF to markdown a page by liteparse, or to plain text by pypdfium2 where that fails."""

import importlib
import re
import zlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

from graphmill.errors import FailureReason, InvalidDocument, NoText
from graphmill.parsing.markup import plain_emphasis, unescape
from graphmill.parsing.refusals import needs_password
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

# Markdown with less than this part of the letters on its page has lost some, mostly text that runs
# upwards. Plain text with less than this part of the markdown's words misreads the page's fonts.
_COMPLETE = 0.9
# Of the lines at either end of a page so many may be running heads, in documents of so many pages.
_HEAD_LINES = 2
_HEADED_PAGES = 5
# Annotations that hold words which no text layer has.
_NOTES = frozenset(("freetext", "text"))

_WORD = re.compile(r"\w+")
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
    if pages is None or not _has_text(pages):
        pages = _plain_pages(data, limits)
    if not _has_text(pages):
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
        extract_annotations=True,
        keep_headers_footers=True,  # or it takes headings and first paragraphs for them
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
    if sum(len(page.markdown or "") for page in result.pages) > limits.document_characters:
        raise text_too_large(limits.document_characters)
    # A page that failed keeps its number, so that those behind it keep theirs.
    found: dict[int, Any] = {page.page_num - 1: page for page in result.pages}
    pages = [""] * (max(found) + 1)
    for index, page in found.items():
        pages[index] = _plain_markdown(page.markdown or "")
    _complete(pages, data, (index for index, page in found.items() if _is_incomplete(page)))
    pages = _without_running_heads(pages)
    for index, page in found.items():
        pages[index] += _notes(page, pages[index])
    return pages


def _plain_markdown(markdown: str) -> str:
    fence = _FENCED.fullmatch(markdown)
    if fence and "```" not in fence[1]:  # one for the whole page
        return _mend(fence[1])
    return _mend(unescape(repeat_headers(plain_emphasis(markdown))))


def _is_incomplete(page: Any) -> bool:
    return _count_letters(page.markdown or "") < _COMPLETE * _count_letters(page.text)


def _complete(pages: list[str], data: bytes, indexes: Iterable[int]) -> None:
    """Put the plain text of the pages at these indexes in their place, where it has their words."""
    document: Any = None
    try:
        for index in indexes:
            document = document or _open(data)
            text = _plain_page(document, index) or ""
            words = set(_WORD.findall(pages[index]))
            if len(words.intersection(_WORD.findall(text))) >= _COMPLETE * len(words):
                pages[index] = text
    except InvalidDocument:
        return  # what liteparse opens and pypdfium2 does not stays as it is
    finally:
        if document:
            document.close()


def _without_running_heads(pages: list[str]) -> list[str]:
    """Less the lines that end or begin most pages; the first of each stays.

    Lines must be equal to the letter: one that counts may count invoices as well as pages.
    """
    if len(pages) < _HEADED_PAGES:
        return pages
    split = [page.split("\n") for page in pages]
    count = Counter(line for lines in split for line in {lines[i] for i in _ends(lines)})
    met: set[str] = set()
    for lines in split:
        for index in _ends(lines):
            line = lines[index]
            if line in met:
                lines[index] = ""
            elif count[line] > len(pages) / 2:
                met.add(line)
    return ["\n".join(lines) for lines in split]


def _ends(lines: list[str]) -> set[int]:
    """Where the first and the last lines with words are, but for rows of tables."""
    worded = [i for i, line in enumerate(lines) if line[:1] != "|" and _has_text(line)]
    return {*worded[:_HEAD_LINES], *worded[-_HEAD_LINES:]}


def _notes(page: Any, text: str) -> str:
    """What readers wrote on the page, as paragraphs to come after its text."""
    known = _one_line(text)
    notes = [note.contents or "" for note in page.annotations or () if note.subtype in _NOTES]
    return "".join(f"\n\n{note}" for note in notes if note and _one_line(note) not in known)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _has_text(texts: Iterable[str]) -> bool:
    return any(map(str.isalnum, "".join(texts)))


def _count_letters(text: str) -> int:
    return sum(map(str.isalnum, text))


def _plain_pages(data: bytes, limits: LimitSettings) -> list[str]:
    pages: list[str] = []
    size = 0
    failed = 0
    document = _open(data)
    try:
        for index in range(len(document)):
            text = _plain_page(document, index)
            if text is None:
                failed += 1
                text = ""
            size += len(text)
            if size > limits.document_characters:
                raise text_too_large(limits.document_characters)
            pages.append(text)
    finally:
        document.close()
    if failed == len(pages):  # zero pages too
        raise _corrupt()
    return pages


def _plain_page(document: Any, index: int) -> str | None:
    """None where PDFium fails."""
    try:
        return _mend(str(document[index].get_textpage().get_text_range()))
    except _pdfium_error():
        return None


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
    return _BROKEN_WORD.sub("", page).translate(_LIGATURES)


def _corrupt() -> InvalidDocument:
    return InvalidDocument(
        FailureReason.CORRUPT,
        "the PDF is damaged or cut short and no page of it can be read; get a whole copy",
    )
