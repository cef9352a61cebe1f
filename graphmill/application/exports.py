"""A collection's graph as files."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from graphmill.application.outages import tells_outages
from graphmill.errors import InvalidRequest
from graphmill.models import CollectionKey

FORMATS = ("parquet", "jsonl")
_LATER_FORMATS = ("csv", "graphml")

# Writes the tables of a collection into a folder in a format; rows written, by table.
ExportFunction = Callable[[CollectionKey, Path, str], Awaitable[dict[str, int]]]


class LaterRelease(InvalidRequest):
    """It is named in the documentation, and this release does not have it yet."""


class Exports:
    def __init__(self, write: ExportFunction) -> None:
        self._write = write

    @tells_outages
    async def write(self, key: CollectionKey, format: str, folder: Path) -> dict[str, int]:
        """Write every table of the published graph into a folder; rows written, by table.

        Raises:
            InvalidRequest: there is no such format, or the folder cannot be written.
            LaterRelease: this release lacks the format.
            NotFound: there is no such collection, or nothing of it has been published yet.
        """
        if format in _LATER_FORMATS:
            raise LaterRelease(
                f"export as {format} comes with a later release; this one has"
                f" {' and '.join(FORMATS)}"
            )
        if format not in FORMATS:
            raise InvalidRequest(f"format is {format!r}; expected is {' or '.join(FORMATS)}")
        return await self._write(key, folder, format)
