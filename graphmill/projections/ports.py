"""The two sides of a projection, as Protocols."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from graphmill.models import CollectionKey
from graphmill.projections.records import Kind, Record

Digests = AsyncIterator[tuple[UUID, str]]
"""(id, digest) of records, by ascending id."""


class ProjectionSource(Protocol):
    """One published graph, as it stays for as long as it is read."""

    @property
    def graph_id(self) -> int: ...

    @property
    def version(self) -> str:
        """Changes with every published graph, and when one is published again as it stands, with
        other vectors."""
        ...

    def digests(self, kind: Kind) -> Digests: ...

    async def records(self, kind: Kind, ids: Sequence[UUID]) -> tuple[Record, ...]:
        """By ascending id."""
        ...


OpenSource = Callable[[CollectionKey], AbstractAsyncContextManager[ProjectionSource | None]]
"""The graph that is published now; None: none is. Raises NotFound where the collection is gone."""


class Projection(Protocol):
    """A store that published graphs, or their vectors, are projected into. Every write may happen
    twice.

    Raises:
        Unavailable: the store does not answer.
    """

    @property
    def name(self) -> str:
        """As people know it: "Neo4j"."""
        ...

    @property
    def kinds(self) -> Sequence[Kind]:
        """What it holds, in the order in which it is written."""
        ...

    async def server_version(self) -> str:
        """For people: "5.26.0"."""
        ...

    async def prepare(self) -> None:
        """Constraints and indexes."""
        ...

    def digests(self, key: CollectionKey, kind: Kind) -> Digests:
        """Of what it holds; "" of a record that is there by half."""
        ...

    async def upsert(self, key: CollectionKey, kind: Kind, records: Sequence[Record]) -> None: ...

    async def remove(self, key: CollectionKey, kind: Kind, ids: Sequence[UUID]) -> None: ...

    async def clear(self, key: CollectionKey) -> None:
        """Nothing of the collection is left, its version first."""
        ...

    async def set_version(self, key: CollectionKey, version: str) -> None:
        """Say which graph it holds, whole; "": none, while it is written."""
        ...

    async def version(self, key: CollectionKey) -> str: ...
