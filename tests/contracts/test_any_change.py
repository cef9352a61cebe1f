"""Whatever is added, changed, deleted, retried and cut off, in whatever order: what every store
holds at the end is what indexing the remaining documents afresh puts there."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from neo4j import AsyncDriver
from qdrant_client import AsyncQdrantClient

from graphmill.export import export_collection
from graphmill.ids import document_id
from graphmill.models import CollectionKey
from graphmill.projections.checking import check
from graphmill.projections.ports import Projection, ProjectionSource
from graphmill.projections.records import VECTORS, Kind, Record
from graphmill.projections.syncing import sync
from graphmill.stores.neo4j.graph import Neo4jGraph
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.database import open_pool
from graphmill.stores.postgres.deletion import PostgresDeletion
from graphmill.stores.postgres.export import PostgresExportStore
from graphmill.stores.postgres.projection_source import open_source
from graphmill.stores.qdrant.vectors import QdrantVectors
from tests.published_graph import index, upload
from tests.support.neo4j import Neo4jServer

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
]

NAMES = ("a.txt", "b.txt", "c.txt", "sub/d.txt")
TEXTS = (
    b"Ada Lovelace met Charles Babbage in London. Ada Lovelace wrote to Mary Somerville.",
    b"Charles Babbage built the Difference Engine in London. Mary Somerville saw it.",
    b"The Difference Engine pleased Ada Lovelace. London admired Charles Babbage.",
    b"Mary Somerville taught Ada Lovelace in London. Charles Babbage met Mary Somerville.",
    b"Luigi Menabrea heard Charles Babbage in Turin. Ada Lovelace translated Luigi Menabrea.",
    b"%PDF-1.7 and nothing after it",  # cannot be read
)
_KEYS = count()
_BATCH = 3
# Some seconds each: 5 in `make test`, 200 in `make soak`.
_EXAMPLES = settings().max_examples // 10


class Crash(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Change:
    """Before a run: documents that come, are changed or go. The run, or the writing of a store
    after it, is cut off at a step; None: it comes to its end. `retry`: failed documents first."""

    put: Mapping[str, bytes]
    gone: frozenset[str]
    retry: bool
    cut_off_at: int | None


changes = st.lists(
    st.builds(
        Change,
        put=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(TEXTS), max_size=3),
        gone=st.frozensets(st.sampled_from(NAMES), max_size=2),
        retry=st.booleans(),
        cut_off_at=st.none() | st.integers(0, 25),
    ),
    min_size=1,
    max_size=5,
)


def countdown(steps: int | None) -> Callable[[], None]:
    left = steps

    def step() -> None:
        nonlocal left
        if left is not None:
            if left == 0:
                raise Crash
            left -= 1

    return step


class CutOff:
    """A store that may be cut off between two writes."""

    def __init__(self, store: Projection, step: Callable[[], None]) -> None:
        self._store = store
        self._step = step

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def upsert(self, key: CollectionKey, kind: Kind, records: Sequence[Record]) -> None:
        for start in range(0, len(records), _BATCH):
            self._step()
            await self._store.upsert(key, kind, records[start : start + _BATCH])

    async def remove(self, key: CollectionKey, kind: Kind, ids: Sequence[Any]) -> None:
        self._step()
        await self._store.remove(key, kind, ids)


class World:
    """One collection over every store, and the documents that it is to have."""

    def __init__(
        self, pool: asyncpg.Pool, stores: Sequence[Projection], key: CollectionKey
    ) -> None:
        self.pool, self.stores, self.key = pool, stores, key
        self.files: dict[str, bytes] = {}

    async def apply(self, change: Change) -> None:
        gone = sorted(change.gone & set(self.files))
        await PostgresDeletion(self.pool).delete(self.key, [document_id(name) for name in gone])
        for name in gone:
            del self.files[name]
        await upload(self.pool, self.key, change.put)
        self.files |= change.put
        if change.retry:
            await PostgresCatalog(self.pool).retry_failed(self.key)
        with contextlib.suppress(Crash):
            await self.run(step=countdown(change.cut_off_at))

    async def run(
        self, *, recluster: bool = False, step: Callable[[], None] = lambda: None
    ) -> None:
        await index(self.pool, self.key, recluster=recluster, step=step)
        async with open_source(self.pool, self.key) as source:
            assert source is not None
            for store in self.stores:
                await sync(self.key, source, cast(Projection, CutOff(store, step)))

    async def held(self, folder: Path, driver: AsyncDriver) -> dict[str, Any]:
        """By store, what it has of the collection, but for the collection's name."""
        await export_collection(PostgresExportStore(self.pool), self.key, folder, "jsonl")
        found: dict[str, Any] = {path.name: path.read_text() for path in folder.iterdir()}
        vectors = await self.pool.fetch(
            "SELECT vector_index, id, embedding::text FROM vectors"
            " WHERE tenant = $1 AND collection = $2 ORDER BY 1, 2",
            self.key.tenant,
            self.key.name,
        )
        found["pgvector"] = [tuple(row) for row in vectors]
        found["neo4j"] = await _dump(driver, self.key)
        async with open_source(self.pool, self.key) as source:
            assert source is not None
            for store in self.stores:
                assert (await check(self.key, source, store)).ok, store.name
            found["qdrant"] = await self._vectors(source)
        return found

    async def _vectors(self, source: ProjectionSource) -> dict[str, list[Any]]:
        (qdrant,) = (store for store in self.stores if store.kinds == VECTORS)
        return {kind: [one async for one in qdrant.digests(self.key, kind)] for kind in VECTORS}


async def _dump(driver: AsyncDriver, key: CollectionKey) -> list[list[str]]:
    of = {"tenant": key.tenant, "collection": key.name}
    nodes = await driver.execute_query(
        "MATCH (n {tenant: $tenant, collection: $collection})"
        " RETURN labels(n) AS labels, n {.*, collection: ''} AS properties",
        of,
    )
    links = await driver.execute_query(
        "MATCH (a {tenant: $tenant, collection: $collection})-[r]->(b)"
        " RETURN a.id AS a, type(r) AS type, r {.*, collection: ''} AS properties, b.id AS b",
        of,
    )
    return [
        sorted(json.dumps(record.data(), sort_keys=True) for record in found.records)
        for found in (nodes, links)
    ]


async def _holds(changed: Sequence[Change], url: str, neo4j: Neo4jServer, folder: Path) -> None:
    # A new server's worth of Qdrant, as its local mode goes with its client.
    qdrant = AsyncQdrantClient(":memory:")
    pool = await open_pool(url, 3)
    try:
        async with neo4j.open_driver() as driver:
            stores = (Neo4jGraph(driver), QdrantVectors(qdrant, batch_size=5))
            for store in stores:
                await store.prepare()
            number = next(_KEYS)
            world = World(pool, stores, CollectionKey("acme", f"changed-{number}"))
            await upload(pool, world.key, {})
            for change in changed:
                await world.apply(change)
            await world.run(recluster=True)

            fresh = World(pool, stores, CollectionKey("acme", f"fresh-{number}"))
            await upload(pool, fresh.key, world.files)
            await fresh.run(recluster=True)
            assert await world.held(folder / "changed", driver) == await fresh.held(
                folder / "fresh", driver
            )
            for key in (world.key, fresh.key):
                for store in stores:
                    await store.clear(key)
                await PostgresCatalog(pool).delete_collection(key)
    finally:
        await pool.close()
        await qdrant.close()


@settings(max_examples=_EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed=changes)
def test_stores_end_as_a_fresh_index_has_them(
    changed: list[Change], database_url: str, neo4j: Neo4jServer, tmp_path: Path
) -> None:
    asyncio.run(_holds(changed, database_url, neo4j, tmp_path / uuid4().hex))
