"""What crosses Temporal where documents are deleted, and what that needs of others.

DeleteDocuments' input, which people may write by hand, comes as plain JSON and is checked by
`DeleteRequest.from_json`.
"""

import hashlib
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast
from uuid import UUID

from graphmill.errors import InvalidRequest
from graphmill.models import CollectionKey
from graphmill.written_by_hand import read_fields, read_key

DELETE_DOCUMENTS = "DeleteDocuments"
# In one request: its input stays far from the 2 MiB of a payload.
MOST_DOCUMENTS = 10_000
# In one transaction, which holds up uploads to the collection and the planning of its run.
BATCH = 500

_KNOWN = ("collection", "tenant", "documents")
_EXAMPLE = '{"collection": "NAME", "documents": ["ID"]}'


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """Forget these documents, each named once, and take them out of the graph."""

    collection: str
    documents: tuple[UUID, ...]
    tenant: str = "default"

    @property
    def key(self) -> CollectionKey:
        return CollectionKey(self.tenant, self.collection)

    @property
    def workflow_id(self) -> str:
        """The same for the same documents: who asks for them twice at once is one."""
        digest = hashlib.sha256(b"".join(id.bytes for id in self.documents))
        return f"{delete_workflow_id(self.key)}/{digest.hexdigest()[:16]}"

    @classmethod
    def of(cls, key: CollectionKey, documents: Sequence[UUID]) -> "DeleteRequest":
        """
        Raises:
            InvalidRequest: they are none, or too many.
        """
        if not 1 <= len(documents) <= MOST_DOCUMENTS:
            raise InvalidRequest(
                f"there are {len(documents):,} documents to delete; expected are 1 to"
                f" {MOST_DOCUMENTS:,} in one request"
            )
        return cls(key.name, tuple(sorted(set(documents))), key.tenant)

    def to_json(self) -> dict[str, Any]:
        return {
            "collection": self.collection,
            "tenant": self.tenant,
            "documents": [str(id) for id in self.documents],
        }

    @classmethod
    def from_json(cls, value: object) -> "DeleteRequest":
        """Check JSON written by hand.

        Raises:
            InvalidRequest: says which field is missing, misspelt or wrong, and what is expected.
        """
        fields = read_fields(value, _KNOWN, ("collection", "documents"), _EXAMPLE)
        key = read_key(fields)
        documents = fields["documents"]
        if not isinstance(documents, list):
            raise InvalidRequest(f"documents is {documents!r}; expected is a list of their ids")
        ids = [_id(given) for given in cast(list[object], documents)]
        return cls.of(key, ids)


def delete_workflow_id(key: CollectionKey) -> str:
    """How the ids of a collection's DeleteDocuments begin."""
    return f"delete/{key.tenant}/{key.name}"


def _id(given: object) -> UUID:
    try:
        return UUID(given if isinstance(given, str) else "")
    except ValueError:
        raise InvalidRequest(
            f"documents has {given!r}; expected are ids, as `graphmill documents list` shows them"
        ) from None


@dataclass(frozen=True, slots=True)
class DocumentIds:
    """Some documents of a collection. `uploaded_until`: by PostgreSQL's clock, those uploaded later
    are others of the same names; None: workers of a release before looked for no time."""

    key: CollectionKey
    documents: tuple[UUID, ...]
    uploaded_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class StartedRun:
    """`joined`: it was under way already."""

    run_id: str
    workflow_id: str
    joined: bool


@dataclass(frozen=True, slots=True)
class DeletedDocuments:
    """How many were deleted, and the run that takes them out of the graph."""

    deleted: int
    run: StartedRun


class DeletionStore(Protocol):
    async def clock(self) -> datetime:
        """The time by which uploads are dated."""
        ...

    async def missing(self, key: CollectionKey, ids: Sequence[UUID]) -> tuple[UUID, ...]:
        """Which of these documents do not exist."""
        ...

    async def delete(
        self, key: CollectionKey, ids: Sequence[UUID], uploaded_until: datetime | None = None
    ) -> int:
        """Forget those of these documents that exist, and were not uploaded after this time, in one
        transaction; how many they are. Their text units leave the graph when the next one is
        published."""
        ...


class Run(Protocol):
    """A run that was started or joined."""

    @property
    def run_id(self) -> str: ...

    @property
    def workflow_id(self) -> str: ...

    @property
    def joined(self) -> bool: ...


class StartsRuns(Protocol):
    def start_as_before(self, key: CollectionKey) -> Awaitable[Run]:
        """Start a collection's run by the method of its last one, or join the one under way.

        Raises:
            NotFound: there is no such collection.
            Unavailable: a server does not answer.
        """
        ...
