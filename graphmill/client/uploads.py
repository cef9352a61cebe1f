"""Files as they go to the API: in requests of bounded size, each file with its date."""

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, cast

from graphmill.application.folder import LeftOut, find_files, printable
from graphmill.errors import InvalidRequest
from graphmill.http_api.schemas import Limits
from graphmill.uploads import UnreadableUpload, Upload, date_of

# A request that fails is sent again whole.
# All of its files are open meanwhile, and some machines allow 256.
_BATCH_FILES = 100
_BATCH_BYTES = 64_000_000
_NO_BOUND = 2**62
UNKNOWN_LIMITS = Limits(document_bytes=_NO_BOUND, upload_bytes=_NO_BOUND, upload_files=_NO_BOUND)
"""Of a server that does not say what it takes."""

Part = tuple[str, tuple[str | None, str | IO[bytes]]]
"""Of a multipart body, as httpx takes it."""


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A document on its way: its name in the collection, and where its bytes come from.
    `creation_date`: of the document; None: the upload's."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]
    creation_date: datetime | None = None


Source = Path | str | Sequence[Path | str] | Mapping[str, bytes]
"""A file, a folder, several of them, or bytes by the names of documents."""


def files_of(
    source: Source,
    creation_date: datetime | None,
    on_left_out: Callable[[LeftOut], None] | None,
    limits: Limits,
) -> list[NamedFile]:
    """`limits`: of the server.

    Raises:
        InvalidRequest: there is no such file or folder, two files would have the same name, or one
            cannot be read or is too large and nobody wants to hear of it.
        OSError: one is gone.
    """
    files: list[NamedFile] = []
    left_out: list[LeftOut] = []

    def add(path: str, file: NamedFile) -> None:
        reason = _too_large(file.size, limits)
        if reason is None:
            files.append(file)
        else:
            left_out.append(LeftOut(path, reason, file.name))

    _check_date(creation_date)
    if isinstance(source, Mapping):
        for name, data in source.items():
            _check_bytes(name, data)
            add(name, NamedFile(name, len(data), partial(BytesIO, data), creation_date))
    else:
        paths = _paths(source)
        # What is too large is told in the server's words, not in those of this machine's settings.
        found = find_files(paths, _NO_BOUND)
        left_out += found.left_out
        for one in found.files:
            stream = partial(one.path.open, "rb")
            file = NamedFile(one.name, one.size, stream, date_of(one.path))
            add(printable(one.path), file)
    _leave_out(left_out, on_left_out)
    return files


def _paths(source: object) -> list[Path]:
    """
    Raises:
        InvalidRequest: one is another thing.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        raise InvalidRequest("bytes need a name: upload(collection, {'a.txt': b'...'})")
    given: list[object] = [source]
    if isinstance(source, Iterable) and not isinstance(source, str):
        given = list(cast(Iterable[object], source))
    paths = [Path(one) for one in given if isinstance(one, Path | str)]
    if len(paths) < len(given):
        raise InvalidRequest(
            "what was given to upload is no path; expected is a file, a folder, a list of them, or"
            " bytes by their names: upload(collection, {'a.txt': b'...'})"
        )
    return paths


def _check_bytes(name: object, data: object) -> None:
    """
    Raises:
        InvalidRequest: they are none, or have no name.
    """
    if not isinstance(name, str) or not isinstance(data, bytes | bytearray | memoryview):
        raise InvalidRequest(
            f"document {name!r} is given as {type(data).__name__}; expected are bytes by names:"
            " upload(collection, {'a.txt': b'...'}); encode what is text"
        )


def _check_date(given: object) -> None:
    """
    Raises:
        InvalidRequest: it is none, as text that has to be read first.
    """
    if given is not None and not isinstance(given, datetime):
        raise InvalidRequest(
            f"creation_date is {given!r}; expected is a datetime, such as"
            " datetime.fromisoformat('2024-05-06T07:08:09+00:00')"
        )


def check_sizes(uploads: Sequence[Upload], limits: Limits) -> None:
    """
    Raises:
        UnreadableUpload: the server would refuse one, and all that is sent with it.
    """
    for upload in uploads:
        reason = _too_large(upload.size, limits)
        if reason is not None:
            raise UnreadableUpload(upload.name, reason)


def _too_large(size: int, limits: Limits) -> str | None:
    bounds = (
        (limits.document_bytes, "GRAPHMILL_LIMIT_DOCUMENT_BYTES"),
        (limits.upload_bytes, "GRAPHMILL_LIMIT_UPLOAD_BYTES"),
    )
    most, setting = min(bounds)
    if size <= most:
        return None
    return (
        f"has {size:,} bytes, more than the {most:,} that the server takes (its {setting}); raise"
        " that or move the file away"
    )


def _leave_out(files: Iterable[LeftOut], on_left_out: Callable[[LeftOut], None] | None) -> None:
    for one in files:
        if on_left_out is None:
            raise InvalidRequest(f"{one.path} {one.reason}")
        on_left_out(one)


def batches(files: Iterable[NamedFile], limits: Limits) -> Iterator[Sequence[NamedFile]]:
    """So many files, or bytes, in a request at most, and no more than the server takes; a file that
    is larger goes alone."""
    most_files = min(_BATCH_FILES, limits.upload_files)
    most_bytes = min(_BATCH_BYTES, limits.upload_bytes)
    batch: list[NamedFile] = []
    size = 0
    for file in files:
        if batch and (len(batch) == most_files or size + file.size > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
    if batch:
        yield batch


def open_parts(files: Sequence[NamedFile], stack: ExitStack) -> list[Part]:
    """Parts of a body; the stack closes what they are read from.

    Raises:
        UnreadableUpload: a file cannot be opened.
    """
    parts: list[Part] = []
    for file in files:
        date = file.creation_date
        if date is not None:
            parts.append(("creation_date", (None, date.astimezone(UTC).isoformat())))
        try:
            stream = stack.enter_context(file.open())
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise  # the machine's fault, not the file's
            raise UnreadableUpload(file.name, f"cannot be read: {error.strerror}") from error
        # In a field of its own: quotes and backslashes do not come through in a filename.
        parts.append(("name", (None, file.name)))
        parts.append(("files", ("file", stream)))
    return parts
