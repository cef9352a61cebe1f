"""Uploaded files, streamed to one temporary file: memory stays small, whatever is sent."""

import asyncio
import hashlib
import io
import os
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import IO, BinaryIO, cast

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from api.at_once import AtOnce
from api.problems import TooLarge, UnsupportedMediaType
from graphmill.errors import InvalidRequest
from graphmill.names import check_document_name
from graphmill.settings import LimitSettings
from graphmill.uploads import EARLIEST, LATEST, Upload

_MAX_FIELD_BYTES = 4000
# A name and a date for each file.
_FIELDS_A_FILE = 2
# What boundaries, names and fields may add to the bytes of files: for each of them, and once.
_FRAMING_BYTES = 10_000


@asynccontextmanager
async def receive_uploads(
    request: Request, limits: LimitSettings, at_once: AtOnce
) -> AsyncGenerator[tuple[Upload, ...]]:
    """The files of a multipart request, for the time of a block.

    A field `creation_date` holds for the files that follow it; before one, it is now. A field
    `name` is that of the file behind it, in the place of its filename: that does not carry quotes
    and backslashes unharmed.

    Raises:
        UnsupportedMediaType: the body is no multipart/form-data.
        TooLarge: a file, or all together, are larger than a document may be; or too many files.
        InvalidRequest: the body, a name or a date is not well formed, or no file was sent.
        TooManyAtOnce: others are received.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise UnsupportedMediaType("expected is multipart/form-data with files")
    with at_once.one(), tempfile.TemporaryFile(prefix="graphmill-upload-") as spool:
        receiver = _Receiver(spool, limits)
        received, most = 0, limits.upload_bytes + _FRAMING_BYTES * (1 + limits.upload_files)
        try:
            parser = _parser(boundary, receiver)
            async for chunk in request.stream():
                received += len(chunk)
                if received > most:
                    raise TooLarge(
                        f"an upload holds at most {limits.upload_bytes:,} bytes"
                        " (GRAPHMILL_LIMIT_UPLOAD_BYTES); send fewer files at a time"
                    )
                # Hashing and writing: not in the event loop, which serves others meanwhile.
                await asyncio.to_thread(parser.write, chunk)
        except FormParserError as error:
            raise InvalidRequest(f"the multipart body is not well formed: {error}") from error
        except ClientDisconnect as error:
            raise InvalidRequest("the connection ended before the body") from error
        if not receiver.ended:
            raise InvalidRequest("the multipart body ends too early")
        if not receiver.uploads:
            raise InvalidRequest("no file was sent: a part with a filename is expected")
        spool.flush()
        yield tuple(receiver.uploads)


def _parser(boundary: bytes, receiver: "_Receiver") -> MultipartParser:
    return MultipartParser(
        boundary,
        {
            "on_part_begin": receiver.part_begin,
            "on_header_field": receiver.header_field,
            "on_header_value": receiver.header_value,
            "on_header_end": receiver.header_end,
            "on_headers_finished": receiver.headers_finished,
            "on_part_data": receiver.part_data,
            "on_part_end": receiver.part_end,
            "on_end": receiver.end,
        },
    )


class _Receiver:
    """Callbacks of the parser: files go to the spool and are hashed on the way."""

    def __init__(self, spool: IO[bytes], limits: LimitSettings) -> None:
        self.uploads: list[Upload] = []
        self.ended = False
        self._spool = spool
        self._limits = limits
        self._creation_date = datetime.now(UTC)
        self._offset = 0
        self._fields = 0
        self._headers: dict[bytes, bytes] = {}
        self._header = (b"", b"")
        self._field_name = ""
        self._file_name: str | None = None
        self._next_name: str | None = None
        self._size = 0
        self._digest = hashlib.sha256()
        self._value = b""

    def part_begin(self) -> None:
        self._headers = {}
        self._header = (b"", b"")
        self._size = 0
        self._digest = hashlib.sha256()
        self._value = b""

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + data[start:end], self._header[1])

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + data[start:end])

    def header_end(self) -> None:
        self._headers[self._header[0].lower()] = self._header[1]
        self._header = (b"", b"")

    def headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._field_name = _text(options.get(b"name", b""))
        given = options.get(b"filename")
        if given is None:
            self._file_name = None
            self._fields += 1
            if self._fields > _FIELDS_A_FILE * self._limits.upload_files:
                raise TooLarge("an upload holds a name and a creation_date for each file at most")
            return
        self._file_name = self._next_name or check_document_name(_text(given))
        self._next_name = None
        if len(self.uploads) == self._limits.upload_files:
            raise TooLarge(
                f"an upload holds at most {self._limits.upload_files:,} files"
                " (GRAPHMILL_LIMIT_UPLOAD_FILES); send fewer at a time"
            )

    def part_data(self, data: bytes, start: int, end: int) -> None:
        part = data[start:end]
        self._size += len(part)
        if self._file_name is None:
            if self._size > _MAX_FIELD_BYTES:
                raise TooLarge(f"the field {self._field_name!r} is too long")
            self._value += part
            return
        if self._size > self._limits.document_bytes:
            raise TooLarge(
                f"{self._file_name} is larger than the {self._limits.document_bytes:,} bytes of"
                " GRAPHMILL_LIMIT_DOCUMENT_BYTES"
            )
        self._digest.update(part)
        self._spool.write(part)

    def part_end(self) -> None:
        if self._file_name is None:
            self._field(_text(self._value))
            return
        self.uploads.append(
            Upload(
                name=self._file_name,
                version=self._digest.digest(),
                size=self._size,
                creation_date=self._creation_date,
                open=partial(_open, self._spool.fileno(), self._offset, self._size),
            )
        )
        self._offset += self._size

    def end(self) -> None:
        self.ended = True

    def _field(self, value: str) -> None:
        if self._field_name == "name":
            self._next_name = check_document_name(value)
            return
        if self._field_name != "creation_date":
            raise InvalidRequest(
                f"unknown field {self._field_name!r}; known are files, name and creation_date"
            )
        try:
            date = datetime.fromisoformat(value)
            date = date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            date = None
        if date is None or not EARLIEST <= date <= LATEST:
            raise InvalidRequest(
                f"creation_date is {value!r}; a date such as 2024-05-06T07:08:09Z is expected"
            )
        self._creation_date = date


class _Slice(io.RawIOBase):
    """A part of a file, read without moving the file's own position."""

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._offset = offset
        self._left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        part = os.pread(self._descriptor, wanted, self._offset)
        self._offset += len(part)
        self._left -= len(part)
        return part


def _open(descriptor: int, offset: int, size: int) -> BinaryIO:
    return cast(BinaryIO, _Slice(descriptor, offset, size))


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("the names and fields of a multipart body are UTF-8") from None
