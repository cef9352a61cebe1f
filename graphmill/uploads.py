"""A document on its way in: its name, what its bytes hash to, and where they are read from."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from graphmill.errors import InvalidRequest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What stores, JSON and every time zone can hold.
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, tzinfo=UTC)
# Bytes are read, hashed and stored in parts of this size, so no file is in memory whole.
PART_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Upload:
    """`version` is the SHA-256 of the bytes that `open` gives, `size` how many they are."""

    name: str
    version: bytes
    size: int
    creation_date: datetime
    open: Callable[[], BinaryIO]


class UnreadableUpload(InvalidRequest):
    """What an upload reads from is gone, cannot be read or is not what was hashed."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(f"{name} {words}")
        self.name = name
        self.words = words


def describe_stream(stream: BinaryIO) -> tuple[bytes, int]:
    """(SHA-256, size) of what is left of a stream, read in parts."""
    digest = hashlib.sha256()
    size = 0
    while part := stream.read(PART_BYTES):
        digest.update(part)
        size += len(part)
    return digest.digest(), size


def describe_file(name: str, path: Path) -> Upload:
    """Hash a file; its creation_date is `date_of` it.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        version, size = describe_stream(stream)
        date = date_of(path)
    return Upload(name, version, size, date, lambda: path.open("rb"))


def date_of(path: Path) -> datetime:
    """When a file was modified, which survives copies and archives. A time that no calendar has, as
    a broken clock leaves it, becomes the nearest.

    Raises:
        OSError: it is not there.
    """
    # Whole microseconds by integer arithmetic: a float would round, and differ from what is stored.
    modified = path.stat().st_mtime_ns // 1000
    modified = min(max(modified, _microseconds(EARLIEST)), _microseconds(LATEST))
    return _EPOCH + timedelta(microseconds=modified)


def _microseconds(date: datetime) -> int:
    return (date - _EPOCH) // timedelta(microseconds=1)
