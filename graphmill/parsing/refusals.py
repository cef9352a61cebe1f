"""In which words a file is refused for what it is: the reason, and what to do about it."""

from graphmill.errors import FailureReason, InvalidDocument

READ = "txt, md, html, pdf, docx, pptx, xlsx, csv, json and jsonl"


def needs_password(what: str) -> InvalidDocument:
    return InvalidDocument(
        FailureReason.NEEDS_PASSWORD,
        f"the {what} is locked with a password; remove it and upload the {what} again",
    )


def needs_ocr(kind: str) -> InvalidDocument:
    return InvalidDocument(
        FailureReason.NEEDS_OCR,
        f"this is a picture ({kind}) and text in pictures is not recognised; upload a version with"
        " text",
    )


def packed(kind: str) -> InvalidDocument:
    return InvalidDocument(
        FailureReason.ARCHIVE,
        f"this is an archive ({kind}), which is not opened; unpack it and upload the files in it",
    )


def unsupported(kind: str, advice: str = "convert it") -> InvalidDocument:
    return InvalidDocument(
        FailureReason.UNSUPPORTED, f"{kind} is not read; {advice}: read are {READ}"
    )
