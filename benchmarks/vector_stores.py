"""Rows a second into the stores of vectors, beside each one's bare client in a loop.

Qdrant is the client's local mode in memory, which has no server and no index to wait for, and the
server at QDRANT_URL, where that is set.
"""

import os
import time
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from statistics import median
from uuid import UUID, uuid4

import numpy as np
from qdrant_client import AsyncQdrantClient, models
from rich.console import Console
from rich.table import Table

from graphmill.messages import TEXT_UNIT_TEXT
from graphmill.models import CollectionKey
from graphmill.projections.records import Kind, Record
from graphmill.settings import load_settings
from graphmill.stores.postgres.database import open_pool
from graphmill.stores.postgres.embeddings import PostgresEmbeddingStore
from graphmill.stores.qdrant.client import open_client
from graphmill.stores.qdrant.vectors import QdrantVectors

_BATCH = 100
# As many as the activity that embeds gives to PostgreSQL, and as sync gives to a projection.
_TO_POSTGRES = 500
_TO_PROJECTION = 1_000

Write = Callable[[Sequence[Record]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class VectorRates:
    """Rows a second by our store and by its bare client, and milliseconds that our store takes for
    a batch of 100: the median, the longest."""

    store: str
    dimension: int
    rows: float
    bare: float
    batch: tuple[float, float]


async def measure_vector_stores(url: str, count: int = 10_000) -> tuple[VectorRates, ...]:
    """`url`: a PostgreSQL with graphmill's tables, which keeps nothing of it."""
    found: list[VectorRates] = []
    for dimension in (256, 1536):
        made = _made(count, dimension)
        found.append(await _measure_postgres(url, made, dimension))
        found.append(await _measure_qdrant("Qdrant, local mode", _local(), made, dimension))
        if os.environ.get("QDRANT_URL"):
            found.append(await _measure_qdrant("Qdrant, server", _server(), made, dimension))
    return tuple(found)


def show_vector_rates(rates: Sequence[VectorRates], console: Console) -> None:
    table = Table("vectors into", "dimensions", "rows/s", "bare client", "of it", "100 take (ms)")
    for one in rates:
        table.add_row(
            one.store,
            str(one.dimension),
            f"{one.rows:,.0f}",
            f"{one.bare:,.0f}",
            f"{one.rows / one.bare:.2f}",
            f"{one.batch[0]:.0f}, longest {one.batch[1]:.0f}",
        )
    console.print(table)


def _made(count: int, dimension: int) -> list[Record]:
    rows = np.random.default_rng(1).standard_normal((count, dimension)).astype(np.float32)
    properties = {"model": "bench", "document_id": str(UUID(int=1))}
    return [Record(uuid4(), "d" * 32, properties, vector=row.tolist()) for row in rows]


async def _measure(
    store: str, dimension: int, ours: Write, page: int, bare: Write, made: list[Record]
) -> VectorRates:
    alone = 20 * _BATCH  # new ones: what is there is not written again
    bare_rate, _ = await _timed(bare, made, _BATCH)
    rate, _ = await _timed(ours, made[alone:], page)
    _, batches = await _timed(ours, made[:alone], _BATCH)
    longest, middle = max(batches) * 1000, median(batches) * 1000
    return VectorRates(store, dimension, rate, bare_rate, (middle, longest))


async def _timed(write: Write, made: Sequence[Record], size: int) -> tuple[float, list[float]]:
    """Rows a second, and the seconds of each batch."""
    seconds: list[float] = []
    for start in range(0, len(made), size):
        began = time.perf_counter()
        await write(made[start : start + size])
        seconds.append(time.perf_counter() - began)
    return len(made) / sum(seconds), seconds


async def _measure_postgres(url: str, made: list[Record], dimension: int) -> VectorRates:
    key = CollectionKey("bench", f"vectors-{uuid4().hex}")
    pool = await open_pool(url, 1)
    try:
        await pool.execute(
            "INSERT INTO collections (tenant, name) VALUES ($1, $2)", key.tenant, key.name
        )
        store = PostgresEmbeddingStore(pool)

        async def ours(records: Sequence[Record]) -> None:
            rows = [(record.id, record.vector) for record in records]
            await store.upsert_vectors(key, TEXT_UNIT_TEXT, "bench", rows)

        async def bare(records: Sequence[Record]) -> None:
            await pool.executemany(
                "INSERT INTO bare_vectors VALUES ($1, $2::real[]::vector)",
                [(record.id, record.vector) for record in records],
            )

        await pool.execute("CREATE TABLE bare_vectors (id uuid PRIMARY KEY, embedding vector)")
        return await _measure("pgvector", dimension, ours, _TO_POSTGRES, bare, made)
    finally:
        await pool.execute("DROP TABLE IF EXISTS bare_vectors")
        await pool.execute(
            "DELETE FROM collections WHERE tenant = $1 AND name = $2", key.tenant, key.name
        )
        await pool.close()


@asynccontextmanager
async def _local() -> AsyncGenerator[AsyncQdrantClient]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has no indexes, which is why it is named
        client = AsyncQdrantClient(":memory:")
        yield client
        await client.close()


@asynccontextmanager
async def _server() -> AsyncGenerator[AsyncQdrantClient]:
    settings = load_settings()
    assert settings.qdrant_url is not None
    key = settings.qdrant_api_key.get_secret_value()
    async with open_client(settings.qdrant_url, key) as client:
        yield client


async def _measure_qdrant(
    name: str,
    opening: AbstractAsyncContextManager[AsyncQdrantClient],
    made: list[Record],
    dimension: int,
) -> VectorRates:
    key, bare_name = CollectionKey("bench", f"vectors-{uuid4().hex}"), f"bench-{uuid4().hex}"
    async with opening as client:
        store = QdrantVectors(client)
        await store.prepare()
        await store.set_version(key, "")

        async def ours(records: Sequence[Record]) -> None:
            await store.upsert(key, Kind.TEXT_UNIT_TEXT, records)

        async def bare(records: Sequence[Record]) -> None:
            points = [
                models.PointStruct(id=str(record.id), vector=list(record.vector))
                for record in records
            ]
            await client.upsert(bare_name, points, wait=True)

        await client.create_collection(
            bare_name, models.VectorParams(size=dimension, distance=models.Distance.COSINE)
        )
        try:
            return await _measure(name, dimension, ours, _TO_PROJECTION, bare, made)
        finally:
            await client.delete_collection(bare_name)
            await store.clear(key)
