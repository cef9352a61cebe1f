"""Bytes to text when nobody says in which encoding: BOM, strict UTF-8, UTF-16 without BOM, legacy.

UTF-8 first, since text in another encoding is almost never well-formed UTF-8 by accident.
"""

import codecs
import re
import unicodedata

from graphmill.errors import FailureReason, InvalidDocument
from graphmill.parsing.alphabets import one_byte_encoding
from graphmill.parsing.text import text_too_large

_BOMS = (  # UTF-32 before UTF-16: the little-endian one begins with the other's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What legacy text may be in, each as the superset that the WHATWG encoding standard reads it by.
_LEGACY = (
    "cp1252",
    "cp932",
    "gb18030",
    "big5",
    "cp949",
    "euc_jp",
    "cp1250",
    "cp1251",
    "koi8_r",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp1257",
    "cp874",
)
# Declared names (HTML meta) to codecs. A closed list: Python's registry has codecs that unpack.
_DECLARED = {
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "windows-1252": "cp1252",
    "iso-8859-2": "iso8859_2",
    "iso-8859-3": "iso8859_3",
    "iso-8859-4": "iso8859_4",
    "iso-8859-5": "iso8859_5",
    "iso-8859-6": "iso8859_6",
    "iso-8859-7": "iso8859_7",
    "iso-8859-8": "iso8859_8",
    "iso-8859-8-i": "iso8859_8",
    "iso-8859-9": "cp1254",
    "iso-8859-10": "iso8859_10",
    "iso-8859-13": "iso8859_13",
    "iso-8859-14": "iso8859_14",
    "iso-8859-15": "iso8859_15",
    "iso-8859-16": "iso8859_16",
    "ibm866": "cp866",
    "cp866": "cp866",
    "macintosh": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
    "windows-1250": "cp1250",
    "windows-1251": "cp1251",
    "windows-1253": "cp1253",
    "windows-1254": "cp1254",
    "windows-1255": "cp1255",
    "windows-1256": "cp1256",
    "windows-1257": "cp1257",
    "windows-1258": "cp1258",
    "windows-874": "cp874",
    "tis-620": "cp874",
    "koi8-r": "koi8_r",
    "koi8-u": "koi8_u",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "windows-31j": "cp932",
    "x-sjis": "cp932",
    "euc-jp": "euc_jp",
    "x-euc-jp": "euc_jp",
    "iso-2022-jp": "iso2022_jp",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "gb18030": "gb18030",
    "hz-gb-2312": "hz",
    "big5": "big5hkscs",
    "big5-hkscs": "big5hkscs",
    "euc-kr": "cp949",
    "windows-949": "cp949",
    "ks_c_5601-1987": "cp949",
}
_DECLARATION = re.compile(
    rb"(?:charset|<\?xml\s[^<>]{0,200}?\sencoding)\s{0,10}=\s{0,10}[\"']?\s{0,10}([\w-]{2,20})",
    re.IGNORECASE,
)
_BINARY_CONTROLS = bytes([*range(7), *range(14, 27), *range(28, 32), 127])
_EAST_ASIAN = re.compile(r"[\s!-~\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7a3\uff00-\uffef]{4,}")
_SAMPLE = 65_536


def decode(data: bytes, format: str, max_characters: int) -> str:
    """The text of a file whose format is a kind of text.

    Raises:
        InvalidDocument: corrupt (it is no text in any known encoding) or too-large.
    """
    if len(data) > 4 * max_characters + 4:  # no encoding takes more than 4 bytes a character
        raise text_too_large(max_characters)
    text = to_text(data, declared=format == "html")
    if text is None:
        raise InvalidDocument(
            FailureReason.CORRUPT,
            "this begins like text, but the rest is not text in any encoding we know;"
            " if it is text, save it again as UTF-8",
        )
    if len(text) > max_characters:
        raise text_too_large(max_characters)
    return text


def to_text(data: bytes, declared: bool = False) -> str | None:
    """The decoded text, or None where the bytes are no text.

    Args:
        data: all bytes of a file, or its beginning.
        declared: heed an HTML or XML declaration of the encoding.
    """
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            # A broken end or a lone surrogate must not cost the rest, which the BOM vouches for.
            return data[len(bom) :].decode(encoding, errors="replace")
    if b"\0" in data:
        # UTF-8 with strays or padded with them; pairs of ASCII letters would otherwise pass for
        # Chinese in UTF-16. In UTF-16 a western text is half NULs, and others are no UTF-8 without.
        padded = data.rstrip(b"\0")
        rest = padded.replace(b"\0", b"")
        if (len(padded) - len(rest)) * 5 < len(padded) and not _is_binary(rest):
            text = _strict(rest, "utf-8")
            if text is not None:
                return text
        return _utf16_without_bom(data)
    if b"\x1b$" in data[:_SAMPLE] and (text := _strict(data, "iso2022_jp")) is not None:
        return text
    if (text := _ebcdic(data)) is not None:
        return text
    if _is_binary(data):
        return _utf16_without_bom(data, east_asian=True)  # others have spaces, so NULs
    encoding = _declared_encoding(data) if declared else None
    is_hz = encoding == "hz" and data.isascii()  # the one that is UTF-8 as well
    if not is_hz and (text := _utf8(data)) is not None:
        return text
    if encoding is not None:
        return data.decode(encoding, errors="replace")
    return _legacy(data)


def _declared_encoding(data: bytes) -> str | None:
    declaration = _DECLARATION.search(data, 0, 4096)
    return _DECLARED.get(declaration[1].decode("ascii").lower()) if declaration else None


def _ebcdic(data: bytes) -> str | None:
    """Text of IBM mainframes, by its spaces: 0x40 and no 0x20, and letters when it is decoded."""
    sample = data[:_SAMPLE]
    spaced = sample.count(0x40) * 12 >= len(sample) and sample.count(0x20) * 100 <= len(sample)
    if not spaced or sample.isascii():
        return None
    text = sample.decode("cp500")
    plain = sum(c.isascii() and (c.isalnum() or c.isspace()) for c in text)
    if plain * 5 < len(sample) * 4:
        return None
    return data.decode("cp500").replace("\x85", "\n")  # its own end of a line


def _is_binary(data: bytes) -> bool:
    """Stray controls (terminal escapes, old word processors) do not make text binary."""
    sample = data[:_SAMPLE]
    controls = len(sample) - len(sample.translate(None, _BINARY_CONTROLS))
    return controls > 2 + len(sample) // 100


def _strict(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _utf8(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        text = data.decode("utf-8", errors="replace")
        good = len(data.decode("utf-8", errors="ignore").encode()) - _ascii_count(data)
        bad = len(data) - _ascii_count(data) - good
        # Cut in the middle of a character, or a few stray bytes in what is clearly UTF-8.
        cut = error.start >= len(data) - 3 and error.end == len(data) and good > 0
        return text if cut or bad * 50 < good else None


def _ascii_count(data: bytes) -> int:
    return len(data) - len(data.translate(None, bytes(range(128))))


def _utf16_without_bom(data: bytes, east_asian: bool = False) -> str | None:
    """UTF-16 (or 32) by how it looks: well-formed, assigned characters from few blocks."""
    best: tuple[int, str] | None = None
    for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        width = 4 if "32" in encoding else 2
        text = _strict(data[: len(data) // width * width], encoding)
        if text is None or not text:
            continue
        sample = text[:2000]
        strange = sum(
            unicodedata.category(c) in ("Cc", "Cn", "Co", "Cs") and c not in "\t\n\r\f"
            for c in sample
        )
        if strange * 50 > len(sample) or not any(map(str.isalnum, sample)):
            continue
        # In the wrong byte order, letters of one alphabet fall into many blocks of 256.
        blocks = len({ord(c) >> 8 for c in sample})
        scattered = blocks > 2 and blocks * 3 > len(sample)
        if (scattered or east_asian) and not _EAST_ASIAN.fullmatch(sample):
            continue
        if best is None or blocks < best[0]:
            best = (blocks, text)
    return best[1] if best else None


def _legacy(data: bytes) -> str | None:
    sample = data[:_SAMPLE]
    if len(data) > _SAMPLE:  # do not cut a character in two
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    encoding = one_byte_encoding(sample) or _by_statistics(sample)
    text = data.decode(encoding, errors="replace")
    # Bytes that the best guess cannot place, all over: these are not characters.
    return text if text.count("\ufffd") * 20 <= len(text) else None


def _by_statistics(sample: bytes) -> str:
    from charset_normalizer import from_bytes  # 20 ms, and most texts need none of it

    match = from_bytes(sample, cp_isolation=list(_LEGACY), enable_fallback=False).best()
    encoding = match.encoding if match else "cp1252"
    # What it gets wrong on short texts, each by a rule that does not depend on length.
    if encoding in ("cp1250", "cp1254", "cp1257") and _western(sample):
        return "cp1252"
    if encoding == "cp949" and not _korean(sample):
        return "gb18030"
    return encoding


def _western(sample: bytes) -> bool:
    """Whether the text, read as cp1252, has no other letters than western languages use."""
    beyond = {c for c in sample.decode("cp1252", errors="replace") if c.isalpha() and c > "\x7f"}
    return beyond <= _WESTERN_LETTERS


def _korean(sample: bytes) -> bool:
    """Whether nearly all pairs of bytes are Hangul, which begin with B0 to C8; Chinese go to F7."""
    pairs = re.findall(rb"([\xa1-\xfe])[\x41-\xfe]", sample)
    hangul = sum(b"\xb0" <= lead <= b"\xc8" for lead in pairs)
    return hangul * 10 >= len(pairs) * 8


_WESTERN_LETTERS = frozenset("ÀÂÄÅÆÇÈÉÊËÎÏÑÔÖØŒÙÛÜŸàâäåæçèéêëîïñôöøœùûüÿßáíóúÁÍÓÚìòÌÒãõÃÕªº")
