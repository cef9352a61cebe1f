"""OLE compound files: Office before 2007, Outlook, and the wrapper of locked newer ones."""

from graphmill.errors import FailureReason, InvalidDocument
from graphmill.parsing.refusals import needs_password, unsupported

_ENTRY = 128  # bytes of an entry of the directory; sectors and the header are multiples of it
_OFFICE = (
    ("WordDocument", "doc", "Word 97-2003 (doc)", "docx"),
    ("PowerPoint Document", "ppt", "PowerPoint 97-2003 (ppt)", "pptx"),
    ("Workbook", "xls", "Excel 97-2003 (xls)", "xlsx"),
    ("Book", "xls", "Excel 5.0/95 (xls)", "xlsx"),
)


def refusal(data: bytes, ending: str, careful: bool) -> InvalidDocument:
    """What this OLE file is and what to do about it; none is read.

    Args:
        data: the whole file.
        ending: of its name: a file may hold documents of other kinds beside its own.
        careful: do not ask a library whether it is locked.
    """
    folded = data.upper()  # names differ in case from writer to writer; so do other bytes, unseen
    if _has(folded, "EncryptedPackage\0") and _has(folded, "EncryptionInfo\0"):
        return needs_password("file")
    found = [kind for kind in _OFFICE if _has(folded, kind[0] + "\0")]
    found.sort(key=lambda kind: kind[1] != ending)
    if _has(folded, "__substg1.0_") and not (found and found[0][1] == ending):
        return unsupported("Outlook message (msg)")
    if found:
        _, format, kind, newer = found[0]
        if not careful and _is_locked(data, format):
            return needs_password("file")
        return unsupported(kind, f"save it as {newer}")
    if len(data) < 1536 or not _has(folded, "Root Entry\0"):
        return InvalidDocument(
            FailureReason.CORRUPT,
            "this begins like an old Office file, but the rest is missing or damaged; get a whole"
            " copy",
        )
    return unsupported("OLE compound file")


def _has(folded: bytes, name: str) -> bool:
    """Whether a stream or storage of this name (or beginning, without NUL) is in the directory."""
    wanted = name.upper().encode("utf-16-le")
    at = folded.find(wanted)
    while at >= 0 and at % _ENTRY:
        at = folded.find(wanted, at + 1)
    return at >= 0


def _is_locked(data: bytes, format: str) -> bool:
    from office_oxide import Document, OfficeOxideError

    try:
        Document.from_bytes(data, format).close()  # pyright: ignore[reportArgumentType]
    except OfficeOxideError as error:
        return "password" in str(error).lower() or "encrypted" in str(error).lower()
    except Exception:  # whatever else is wrong with it, it is not read anyway
        return False
    return False
