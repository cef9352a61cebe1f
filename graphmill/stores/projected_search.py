"""Search that reads entities and vectors in the stores that hold the published graph too, as long
as they hold just that; else in PostgreSQL, whose answer is the same (graphmill.search.ports)."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Generic, TypeVar
from uuid import UUID

from graphmill.errors import Unavailable
from graphmill.messages import ENTITY_DESCRIPTION, TEXT_UNIT_TEXT
from graphmill.models import CollectionKey
from graphmill.projections.ports import Projection
from graphmill.search.ports import (
    EntityNode,
    GraphStore,
    OtherGraph,
    Passage,
    RelationshipEdge,
    VectorStore,
    WordMatches,
)
from graphmill.stores.postgres.search import PostgresGraphSnapshot, PostgresSearchStore
from graphmill.stores.projected import ProjectedStores

S = TypeVar("S")
T = TypeVar("T")
P = TypeVar("P", bound=Projection)

# Somebody waits for an answer: a store has to say soon which graph it holds.
_SECONDS = 1.0
# And to answer: PostgreSQL would.
_READ_SECONDS = 5.0
# How long one is left alone that did not.
_PAUSE_SECONDS = 15.0


class ProjectedSearchStore:
    """`stores` opens those that are set, at the first question."""

    def __init__(
        self, base: PostgresSearchStore, stores: Callable[[], Awaitable[ProjectedStores]]
    ) -> None:
        self._base = base
        self._stores = stores
        self._left_alone_until: dict[str, float] = {}

    async def embedding_model(self, key: CollectionKey) -> str:
        return await self._base.embedding_model(key)

    @asynccontextmanager
    async def snapshot(
        self, key: CollectionKey
    ) -> AsyncGenerator["ProjectedSnapshot | None", None]:
        stores = await self._stores()
        async with self._base.snapshot(key) as base:
            if base is None:
                yield None
                return
            graph, vectors = await asyncio.gather(
                self._if_current(stores.graph, key, base.version),
                self._if_current(stores.vectors, key, base.version),
            )
            yield ProjectedSnapshot(
                base,
                None if graph is None else graph.reads(key, base.version),
                None if vectors is None else lambda model: vectors.reads(key, base.version, model),
                lambda store: self._leave_alone(graph if store == "graph" else vectors),
            )

    def _leave_alone(self, store: Projection | None) -> None:
        if store is not None:
            self._left_alone_until[store.name] = time.monotonic() + _PAUSE_SECONDS

    async def _if_current(self, store: P | None, key: CollectionKey, version: str) -> P | None:
        if store is None or self._left_alone_until.get(store.name, 0) > time.monotonic():
            return None
        try:
            async with asyncio.timeout(_SECONDS):
                held = await store.version(key)
        except (Unavailable, TimeoutError):
            self._leave_alone(store)
            return None
        return store if held == version else None


class _FirstThenOther(Generic[S]):
    """Reads of the first store until it fails or holds another graph, from then on of the other.
    `on_failure` is told of the former."""

    def __init__(self, first: S | None, other: S, on_failure: Callable[[], None]) -> None:
        self._first = first
        self._other = other
        self._on_failure = on_failure

    async def read(self, read: Callable[[S], Awaitable[T]]) -> T:
        if self._first is not None:
            try:
                async with asyncio.timeout(_READ_SECONDS):
                    return await read(self._first)
            except OtherGraph:
                self._first = None
            except (Unavailable, TimeoutError):
                self._first = None
                self._on_failure()
        return await read(self._other)


class ProjectedSnapshot:
    """graphmill.search.ports.GraphSnapshot."""

    def __init__(
        self,
        base: PostgresGraphSnapshot,
        graph: GraphStore | None,
        vectors: Callable[[str], VectorStore] | None,
        on_failure: Callable[[str], None],
    ) -> None:
        """`on_failure`: hears "graph" or "vectors", of which the store did not answer."""
        self._base = base
        self._graph = _FirstThenOther[GraphStore](graph, base, lambda: on_failure("graph"))
        self._on_failure = on_failure
        self._open_vectors = vectors
        self._vectors: dict[str, _FirstThenOther[VectorStore]] = {}

    @property
    def embedding_model(self) -> str:
        return self._base.embedding_model

    async def match_words(self, words: Sequence[str], limit: int) -> WordMatches:
        return await self._base.match_words(words, limit)

    async def passages(self, text_unit_ids: Sequence[UUID]) -> dict[UUID, Passage]:
        return await self._base.passages(text_unit_ids)

    async def entities_by_title(self, titles: Sequence[str]) -> tuple[EntityNode, ...]:
        return await self._graph.read(lambda graph: graph.entities_by_title(titles))

    async def mentioned_entities(
        self, text_unit_ids: Sequence[UUID], max_frequency: int
    ) -> tuple[EntityNode, ...]:
        return await self._graph.read(
            lambda graph: graph.mentioned_entities(text_unit_ids, max_frequency)
        )

    async def relationships_of(
        self, titles: Sequence[str], limit: int
    ) -> tuple[RelationshipEdge, ...]:
        return await self._graph.read(lambda graph: graph.relationships_of(titles, limit))

    async def nearest_text_units(
        self, model: str, vector: Sequence[float], limit: int
    ) -> dict[UUID, float]:
        return await self._vectors_by(model).read(
            lambda vectors: vectors.nearest(TEXT_UNIT_TEXT, vector, limit)
        )

    async def similarities(
        self, model: str, vector: Sequence[float], text_unit_ids: Sequence[UUID]
    ) -> dict[UUID, float]:
        return await self._vectors_by(model).read(
            lambda vectors: vectors.similarities(TEXT_UNIT_TEXT, vector, text_unit_ids)
        )

    async def nearest_entities(
        self, model: str, vector: Sequence[float], limit: int
    ) -> tuple[tuple[EntityNode, float], ...]:
        near = await self._vectors_by(model).read(
            lambda vectors: vectors.nearest(ENTITY_DESCRIPTION, vector, limit)
        )
        return (await self._base.entities_of_vectors(near))[:limit]

    def _vectors_by(self, model: str) -> _FirstThenOther[VectorStore]:
        if model not in self._vectors:
            first = None if self._open_vectors is None else self._open_vectors(model)
            self._vectors[model] = _FirstThenOther(
                first, self._base.vectors(model), lambda: self._on_failure("vectors")
            )
        return self._vectors[model]
