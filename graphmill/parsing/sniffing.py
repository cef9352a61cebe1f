"""Which format a file is: by its content first; the name's ending decides between kinds of text."""

import re
import struct
from pathlib import PurePosixPath

from graphmill.errors import FailureReason, InvalidDocument, NoText
from graphmill.parsing import ole
from graphmill.parsing.decoding import to_text
from graphmill.parsing.refusals import READ, needs_ocr, needs_password, packed, unsupported
from graphmill.parsing.zips import check_office, open_zip, read_member
from graphmill.settings import LimitSettings

_TEXT_ENDINGS = {
    "txt": "txt",
    "text": "txt",
    "md": "md",
    "markdown": "md",
    "mdown": "md",
    "mkd": "md",
    "html": "html",
    "htm": "html",
    "xhtml": "html",
    "shtml": "html",
    "csv": "csv",
    "tsv": "csv",
    "tab": "csv",
    "json": "json",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
}
# Text to the eye, but with a structure of its own that plain reading would bury in markup.
_UNREAD_TEXT = {
    "adoc": "AsciiDoc",
    "asciidoc": "AsciiDoc",
    "asc": "AsciiDoc",
    "eml": "e-mail (eml)",
    "mbox": "mailbox (mbox)",
    "mht": "web archive (mhtml)",
    "mhtml": "web archive (mhtml)",
    "ipynb": "Jupyter notebook",
    "rtf": "RTF",
    "xml": "XML",
    "xsl": "XML",
    "xslt": "XML",
    "xsd": "XML",
    "rss": "XML",
    "atom": "XML",
    "svg": "SVG",
    "fb2": "FictionBook",
    "fodt": "flat OpenDocument",
    "ps": "PostScript",
    "eps": "PostScript",
}


def _endings(words: str) -> frozenset[str]:
    return frozenset(words.split())


_OFFICE_ENDINGS = _endings("docx docm dotx dotm pptx pptm potx ppsx ppsm xlsx xlsm xltx xltm")
_OTHER_ZIPS = {
    "odt": "OpenDocument text",
    "ods": "OpenDocument spreadsheet",
    "odp": "OpenDocument presentation",
    "odg": "OpenDocument graphics",
    "epub": "EPUB",
    "xlsb": "binary Excel workbook (xlsb)",
    "pages": "Apple iWork",
    "numbers": "Apple iWork",
    "key": "Apple iWork",
}
_PICTURE_ENDINGS = _endings("png jpg jpeg gif tif tiff bmp webp heic heif avif jp2")
_ARCHIVE_ENDINGS = _endings("zip gz tgz tar bz2 xz 7z rar zst lz4")
_BINARY_ENDINGS = (
    _OFFICE_ENDINGS
    | frozenset(_OTHER_ZIPS)
    | _PICTURE_ENDINGS
    | _ARCHIVE_ENDINGS
    | _endings("pdf doc dot xls xlt ppt pps msg")
)

_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"8BPS", "Photoshop"),
    (b"\0\0\x01\0", "icon"),
)
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif")
_ARCHIVES = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!\x1a\x07", "RAR"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"\x04\x22\x4d\x18", "LZ4"),
    (b"MSCF", "cabinet"),
    (b"!<arch>\n", "ar"),
    (b"LZIP", "lzip"),
)
_OTHERS = (
    (b"{\\rtf", "RTF"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"SQLite format 3\0", "SQLite database"),
    (b"\x7fELF", "program"),
    (b"MZ\x90\0", "program"),
    (b"OggS", "audio or video"),
    (b"ID3", "audio"),
    (b"fLaC", "audio"),
    (b"\x1aE\xdf\xa3", "video"),
    (b"PAR1", "Parquet table"),
    (b"wOFF", "font"),
    (b"wOF2", "font"),
    (b"AT&TFORM", "DjVu"),
    (b"ITSF", "compiled help (chm)"),
    (b"\x78\x9f\x3e\x22", "Outlook attachment (tnef)"),
    (b"!BDN", "Outlook mailbox (pst)"),
)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_HTML = re.compile(
    r"\s*(<!--[^<>]{0,2000}-->\s*)?<(!doctype\s+html|html|head|body)\b", re.IGNORECASE
)
_XML = re.compile(r"\s*<\?xml\b|\s*<!DOCTYPE\s+(?!html)\w", re.IGNORECASE)
_XHTML = re.compile(r"<html\b[^<>]*>", re.IGNORECASE)
# One of these may begin a letter or a note; two within a few lines are the head of an e-mail.
_MAIL_FIELD = "(From|To|Cc|Date|Subject|Reply-To|Sender|Received|Return-Path|Message-ID): "
_MAIL = re.compile(
    r"(From |(Return-Path|Received|Delivered-To|MIME-Version|Message-ID|X-[\w-]+): )"
    rf"|{_MAIL_FIELD}[^\n]*\n(([\w-]+:|[ \t])[^\n]*\n){{0,9}}{_MAIL_FIELD}",
    re.IGNORECASE,
)
_ENCRYPTED_MAIL = re.compile(
    r"^Content-Type:\s{1,10}(multipart/encrypted|application/(x-)?pkcs7-mime)",
    re.IGNORECASE | re.MULTILINE,
)


def recognise(data: bytes, name: str, limits: LimitSettings, careful: bool = False) -> str:
    """The format to parse as: txt, md, html, pdf, docx, pptx, xlsx, csv, json or jsonl.

    Raises:
        NoText: nothing but white space.
        InvalidDocument: what it is instead, and what to do about it.
    """
    ending = PurePosixPath(name).suffix.lower().lstrip(".")
    if data.startswith(_ZIP):
        return _zip_format(data, ending, limits)
    if data.startswith(_OLE):
        raise ole.refusal(data, ending, careful)
    if b"%PDF-" in data[:1024] and (ending == "pdf" or data.lstrip()[:5] == b"%PDF-"):
        return "pdf"
    _refuse_by_magic(data)
    return _text_format(data, ending)


def _refuse_by_magic(data: bytes) -> None:
    for magic, kind in _PICTURES:
        if data.startswith(magic):
            raise needs_ocr(kind)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        raise needs_ocr("WebP")
    if data[4:8] == b"ftyp":
        if data[8:12] in _HEIF_BRANDS:
            raise needs_ocr("HEIF")
        raise unsupported("video")
    if data[:2] == b"BM" and len(data) > 26 and data[6:10] == b"\0\0\0\0":
        raise needs_ocr("BMP")
    for magic, kind in _ARCHIVES:
        if data.startswith(magic):
            raise packed(kind)
    if data[257:262] == b"ustar":
        raise packed("tar")
    for magic, kind in _OTHERS:
        if data.startswith(magic):
            raise unsupported(kind)


def _zip_format(data: bytes, ending: str, limits: LimitSettings) -> str:
    office = ending in _OFFICE_ENDINGS
    if not office and ending not in _OTHER_ZIPS and b"[Content_Types].xml" not in data:
        # Not opened any further than to tell whether it is a document of some kind.
        kind = _other_zip_kind(data)
        if kind is None:
            raise _encrypted_or_archive(data)
        raise unsupported(kind)
    archive = open_zip(data, limits)
    names = [info.filename for info in archive.infolist()]
    if any(info.flag_bits & 1 for info in archive.infolist()):
        raise needs_password("file")
    if "[Content_Types].xml" in names:
        if "xl/workbook.bin" in names:
            raise unsupported("binary Excel workbook (xlsb)")
        for folder, format in (("word/", "docx"), ("ppt/", "pptx"), ("xl/", "xlsx")):
            if any(entry.startswith(folder) and entry.endswith(".xml") for entry in names):
                check_office(archive, limits)
                return format
        if not office:
            raise unsupported("Open Packaging file that is no Word, PowerPoint or Excel file")
    if office:
        raise InvalidDocument(
            FailureReason.CORRUPT,
            f"the name says {ending}, but the parts of such a file are missing; open it in Office"
            " and save it again",
        )
    # Not every writer puts first what would tell: then the name's ending has to.
    kind = _other_zip_kind(data) or _OTHER_ZIPS.get(ending)
    if kind is None:
        raise packed("zip")
    if kind.startswith("OpenDocument"):
        manifest = read_member(archive, "META-INF/manifest.xml", 1_000_000)
        if b"encryption-data" in manifest:
            raise needs_password("file")
    raise unsupported(kind)


def _encrypted_or_archive(data: bytes) -> InvalidDocument:
    # General purpose bit 0 of the first local header.
    if len(data) > 8 and data.startswith(_ZIP[0]) and struct.unpack_from("<H", data, 6)[0] & 1:
        return needs_password("archive")
    return packed("zip")


def _other_zip_kind(data: bytes) -> str | None:
    """ODF and EPUB begin with an uncompressed member "mimetype" (that is what it is for)."""
    start = data[30:200]
    if start.startswith(b"mimetypeapplication/epub+zip"):
        return "EPUB"
    opened = re.match(rb"mimetypeapplication/vnd\.oasis\.opendocument\.([a-z]{1,20})", start)
    if opened:
        return f"OpenDocument {opened[1].decode()}"
    if b"Index/Document.iwa" in data:
        return "Apple iWork"
    if b"META-INF/container.xml" in data and b"application/epub+zip" in data[:2000]:
        return "EPUB"
    return None


def _text_format(data: bytes, ending: str) -> str:
    if not data.strip(b" \t\r\n\f\v\xef\xbb\xbf\xfe\xff\0") and b"\0\0\0\0" not in data:
        raise NoText("there is nothing but white space in this file")
    # A cut in the middle of a character of two or four bytes would look like damage.
    start = to_text(data[:8192] if len(data) <= 8192 else _whole_characters(data))
    known = _TEXT_ENDINGS.get(ending)
    if start is None:
        raise _not_text(ending)
    if ending in _BINARY_ENDINGS:
        raise InvalidDocument(
            FailureReason.CORRUPT,
            f"the name says {ending}, but the content is plain text; give it the ending that it is,"
            f" or upload the real {ending}",
        )
    if not start.strip("\ufeff").strip() and not data.strip():
        raise NoText("there is nothing but white space in this file")
    if _ENCRYPTED_MAIL.search(start) and (ending == "eml" or _MAIL.match(start)):
        raise needs_password("e-mail")
    if ending in _UNREAD_TEXT:
        if _HTML.match(start):
            return "html"
        raise unsupported(_UNREAD_TEXT[ending])
    if known is not None:
        return known
    return _guess(start)


def _guess(start: str) -> str:
    """The kind of text where the name says nothing."""
    if _HTML.match(start) or (_XML.match(start) and _XHTML.search(start[:2000])):
        return "html"
    if _XML.match(start):
        raise unsupported("XML")
    if _MAIL.match(start):
        raise unsupported("e-mail (eml)")
    return "txt"


def _whole_characters(data: bytes) -> bytes:
    """The first 8 kB, ended at a line or, where there are none, at a multiple of four bytes."""
    start = data[:8192]
    newline = start.rfind(b"\n")
    if newline > 64 and b"\0" not in start:
        return start[: newline + 1]
    return start


def _not_text(ending: str) -> InvalidDocument:
    if ending in _ARCHIVE_ENDINGS:
        return InvalidDocument(
            FailureReason.CORRUPT,
            f"the name says {ending}, but the content is not; it may be damaged, or one part of an"
            " archive that was split: unpack it together with the others and upload the files in"
            " it",
        )
    if ending in _TEXT_ENDINGS or ending in _UNREAD_TEXT or ending in _BINARY_ENDINGS:
        return InvalidDocument(
            FailureReason.CORRUPT,
            f"the name says {ending}, but the content is not; it may be damaged or cut short: get a"
            " whole copy",
        )
    return InvalidDocument(
        FailureReason.UNSUPPORTED,
        f"this is binary and of no format that we know; read are {READ}",
    )
