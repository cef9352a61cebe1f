"""The vector stores that the contract suites run on. A new one: a class and a line in STORES."""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import asyncpg
import pytest
from qdrant_client import AsyncQdrantClient

from graphmill.embedding import LocalEmbedder
from graphmill.models import CollectionKey
from graphmill.projections.syncing import Synced, sync
from graphmill.search.ports import VectorStore
from graphmill.stores.postgres.projection_source import open_source
from graphmill.stores.postgres.search import PostgresGraphSnapshot, PostgresSearchStore
from graphmill.stores.qdrant.client import open_client
from graphmill.stores.qdrant.vectors import QdrantVectors

NO_SERVER = "QDRANT_URL is not set: no Qdrant server to run on, and local mode has no such thing"


class Store(Protocol):
    async def hold(self, pool: asyncpg.Pool, key: CollectionKey) -> None:
        """Bring it to what is published."""
        ...

    def read(
        self, pool: asyncpg.Pool, key: CollectionKey, model: str = ""
    ) -> AbstractAsyncContextManager[VectorStore]:
        """The published graph's vectors by this model of an endpoint; "": by the local one."""
        ...


@asynccontextmanager
async def open_snapshot(
    pool: asyncpg.Pool, key: CollectionKey
) -> AsyncGenerator[PostgresGraphSnapshot]:
    async with PostgresSearchStore(pool).snapshot(key) as snapshot:
        assert snapshot is not None
        yield snapshot


class PgvectorStore:
    async def hold(self, pool: asyncpg.Pool, key: CollectionKey) -> None:
        """PostgreSQL has it."""

    @asynccontextmanager
    async def read(
        self, pool: asyncpg.Pool, key: CollectionKey, model: str = ""
    ) -> AsyncGenerator[VectorStore]:
        async with open_snapshot(pool, key) as snapshot:
            yield snapshot.vectors(model or LocalEmbedder().model)


class QdrantStore:
    def __init__(self, client: AsyncQdrantClient) -> None:
        self.client = client
        # Small batches, so that a few vectors are several.
        self.vectors = QdrantVectors(client, batch_size=7, parallel_uploads=3)

    async def hold(self, pool: asyncpg.Pool, key: CollectionKey) -> None:
        await self.sync(pool, key)

    async def sync(self, pool: asyncpg.Pool, key: CollectionKey) -> Synced:
        await self.vectors.prepare()
        async with open_source(pool, key) as source:
            assert source is not None
            return await sync(key, source, self.vectors)

    @asynccontextmanager
    async def read(
        self, pool: asyncpg.Pool, key: CollectionKey, model: str = ""
    ) -> AsyncGenerator[VectorStore]:
        async with open_snapshot(pool, key) as snapshot:
            model = model or LocalEmbedder().model
            yield self.vectors.reads(key, snapshot.version, model)


@asynccontextmanager
async def _pgvector(folder: Path) -> AsyncGenerator[Store]:
    yield PgvectorStore()


@asynccontextmanager
async def _qdrant_in_memory(folder: Path) -> AsyncGenerator[QdrantStore]:
    client = AsyncQdrantClient(":memory:")
    yield QdrantStore(client)
    await client.close()


@asynccontextmanager
async def _qdrant_on_a_folder(folder: Path) -> AsyncGenerator[QdrantStore]:
    client = AsyncQdrantClient(path=str(folder))
    yield QdrantStore(client)
    await client.close()


@asynccontextmanager
async def qdrant_server(folder: Path | None = None) -> AsyncGenerator[QdrantStore]:
    url = os.environ.get("QDRANT_URL")
    if not url:
        pytest.skip(NO_SERVER)
    async with open_client(url, os.environ.get("QDRANT_API_KEY")) as client:
        yield QdrantStore(client)


QDRANT: dict[str, Callable[[Path], AbstractAsyncContextManager[QdrantStore]]] = {
    "qdrant-memory": _qdrant_in_memory,
    "qdrant-folder": _qdrant_on_a_folder,
    "qdrant-server": qdrant_server,
}
STORES: dict[str, Callable[[Path], AbstractAsyncContextManager[Store]]] = {
    "pgvector": _pgvector,
    **QDRANT,
}
