"""The two sides of a projection, as Protocols."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol
from uuid import UUID

from graphmill.models import CollectionKey
from graphmill.projections.records import Kind, Record

Digests = AsyncIterator[tuple[UUID, str]]
"""(id, digest) of records, by ascending id."""


class GraphSource(Protocol):
    """One published graph, as it stays for as long as it is read."""

    @property
    def version(self) -> str:
        """Changes with every published graph."""
        ...

    def digests(self, kind: Kind) -> Digests: ...

    async def records(self, kind: Kind, ids: Sequence[UUID]) -> tuple[Record, ...]:
        """By ascending id."""
        ...


class GraphProjection(Protocol):
    """A store that graphs are projected into. Every write may happen twice.

    Raises:
        Unavailable: the store does not answer.
    """

    async def prepare(self) -> None:
        """Constraints and indexes."""
        ...

    def digests(self, key: CollectionKey, kind: Kind) -> Digests:
        """Of what it holds; "" of a record that is there by half."""
        ...

    async def upsert(self, key: CollectionKey, kind: Kind, records: Sequence[Record]) -> None: ...

    async def remove(self, key: CollectionKey, kind: Kind, ids: Sequence[UUID]) -> None: ...

    async def set_version(self, key: CollectionKey, version: str) -> None:
        """Say which graph it holds, whole; "": none, while it is written."""
        ...

    async def version(self, key: CollectionKey) -> str: ...
