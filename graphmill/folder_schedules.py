"""Folders that are indexed again and again: what changed in them goes into their collection.

IndexFolder's input, which people may write by hand, comes as plain JSON and is checked by
`FolderRequest.from_json`. It names a collection and no path: those are in PostgreSQL, put there by
`graphmill schedule`, so whoever may start a workflow cannot have other files of a worker read.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from graphmill.deletions import StartedRun
from graphmill.errors import InvalidRequest
from graphmill.index_request import IndexRequest
from graphmill.models import CollectionKey
from graphmill.written_by_hand import read_fields, read_key

INDEX_FOLDER = "IndexFolder"

_EXAMPLE = '{"collection": "NAME"}'
_KNOWN = ("collection", "tenant")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_EVERY = re.compile(r"([1-9][0-9]{0,4})([mhdw])")
_LONGEST = timedelta(days=366)


def folder_workflow_id(key: CollectionKey) -> str:
    """How the ids of a collection's IndexFolder begin. Temporal puts the time of each one that a
    schedule starts behind the "/" there."""
    return f"folder/{key.tenant}/{key.name}"


def schedule_id(key: CollectionKey) -> str:
    """Of Temporal's schedule."""
    return f"folder/{key.tenant}/{key.name}"


def read_every(text: str) -> timedelta:
    """ "30m", "6h", "1d" or "2w".

    Raises:
        InvalidRequest: it is no such time.
    """
    match = _EVERY.fullmatch(text)
    every = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta()
    if not timedelta() < every <= _LONGEST:
        raise InvalidRequest(
            f"every is {text!r}; expected is a whole number of minutes, hours, days or weeks, such"
            " as 30m, 6h, 1d or 2w, a year at most"
        )
    return every


@dataclass(frozen=True, slots=True)
class FolderRequest:
    """Index what changed in the folders that the collection's schedule names."""

    key: CollectionKey

    def to_json(self) -> dict[str, Any]:
        return {"collection": self.key.name, "tenant": self.key.tenant}

    @classmethod
    def from_json(cls, value: object) -> "FolderRequest":
        """Check JSON written by hand.

        Raises:
            InvalidRequest: says which field is missing, misspelt or wrong, and what is expected.
        """
        return cls(read_key(read_fields(value, _KNOWN, ("collection",), _EXAMPLE)))


@dataclass(frozen=True, slots=True)
class FolderSchedule:
    """`paths` are absolute, on the machines of the store workers. `request`: the run that is to be
    started. `prune`: documents are forgotten whose files are gone."""

    request: IndexRequest
    paths: tuple[Path, ...]
    every: timedelta
    prune: bool = False

    @property
    def key(self) -> CollectionKey:
        return self.request.key


@dataclass(frozen=True, slots=True)
class UploadedFolder:
    """How many documents were new, changed, left alone and forgotten, and files that should have
    been read and could not be. `waits`: there is something for a run to do, of this time or of one
    before that started none."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    forgotten: int = 0
    left_out: int = 0
    waits: bool = False


@dataclass(frozen=True, slots=True)
class IndexedFolder:
    """`run` is None where nothing has changed."""

    uploaded: UploadedFolder
    run: StartedRun | None


class ScheduledFolders(Protocol):
    """What the activities need of the application."""

    async def upload(self, key: CollectionKey) -> UploadedFolder:
        """What is new or changed. Done again after a crash, it finds less to do, and knows what it
        did before (`waits`).

        Raises:
            NotFound: the collection has no schedule.
            InvalidRequest: a folder is not there, or has nothing to index.
        """
        ...

    async def start_run(self, key: CollectionKey) -> StartedRun:
        """Start the schedule's run, or join the one under way.

        Raises:
            NotFound: the collection has no schedule.
        """
        ...
