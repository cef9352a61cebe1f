"""A large graph into Neo4j, beside its bare driver; and what search reads of it there and in
PostgreSQL: 100,000 entities, 500,000 relationships."""

import random
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from neo4j import AsyncDriver
from rich.console import Console
from rich.table import Table

from benchmarks.large_graph import Shape, publish_large_graph, title_of
from benchmarks.rates import Rate
from graphmill.embedding import LocalEmbedder
from graphmill.models import CollectionKey
from graphmill.projections.records import Kind, Record
from graphmill.projections.syncing import BATCH, sync
from graphmill.search import SearchEmbedder, local_search
from graphmill.search.ports import GraphStore
from graphmill.stores.neo4j.graph import Neo4jGraph
from graphmill.stores.postgres.database import close_pool, open_pool
from graphmill.stores.postgres.projection_source import open_source
from graphmill.stores.postgres.search import PostgresSearchStore
from graphmill.stores.projected import ProjectedStores
from graphmill.stores.projected_search import ProjectedSearchStore
from graphmill.tenancy import acting_for
from tests.support.neo4j import Neo4jServer

QUICK = Shape(entities=5_000, relationships=25_000)
FULL = Shape(entities=100_000, relationships=500_000)
_KEY = CollectionKey("default", "large")
_READS = 200
_QUESTIONS = 40


@dataclass(frozen=True, slots=True)
class Reads:
    """Milliseconds of each, ascending."""

    words: str
    store: str
    times: tuple[float, ...]

    def at(self, share: float) -> float:
        return self.times[min(len(self.times) - 1, int(share * len(self.times)))]


async def measure_graph_reads(url: str, shape: Shape, folder: Path, console: Console) -> list[Rate]:
    """Prints the reads; gives the rates of writing. Without Java and Maven: PostgreSQL's alone."""
    pool = await open_pool(url, 5)
    try:
        graph = await publish_large_graph(pool, _KEY, shape)
        console.print(
            f"[dim]{shape.entities:,} entities, {shape.relationships:,} relationships[/dim]"
        )
        reads = [*await _of_postgres(pool, graph, shape)]
        rates: list[Rate] = []
        if all(shutil.which(tool) for tool in ("java", "javac", "mvn")):
            server = Neo4jServer(folder / "neo4j", jvm=("-Xmx2g",))
            server.start()
            try:
                async with server.open_driver() as driver:
                    rates = await _write(pool, driver)
                    reads += await _of_neo4j(pool, driver, graph, shape)
            finally:
                server.kill()
        _show(reads, console)
        return rates
    finally:
        await close_pool(pool)


async def _write(pool: asyncpg.Pool, driver: AsyncDriver) -> list[Rate]:
    """The whole graph, as a run's end writes it: compared, read from PostgreSQL, written."""
    store = Neo4jGraph(driver)
    await store.prepare()
    async with open_source(pool, _KEY) as source:
        assert source is not None
        began = time.monotonic()
        synced = await sync(_KEY, source, store)
        seconds = time.monotonic() - began
        ids = [id async for id, _ in source.digests(Kind.ENTITY)][: 20 * BATCH]
        entities = [
            record
            for start in range(0, len(ids), BATCH)
            for record in await source.records(Kind.ENTITY, ids[start : start + BATCH])
        ]
    bare = await _bare_rate(driver, entities)
    words = "graph into Neo4j: read, compared, written"
    return [Rate(words, synced.written, seconds, synced.written / bare, "UNWIND MERGE")]


async def _bare_rate(driver: AsyncDriver, records: Sequence[Record]) -> float:
    """Nodes with properties alone, by UNWIND MERGE: rows a second."""
    await driver.execute_query(
        "CREATE CONSTRAINT bare IF NOT EXISTS FOR (n:Bare) REQUIRE (n.id) IS UNIQUE"
    )
    rows = [
        {"id": str(record.id), "title": record.properties["title"], "text": str(record.properties)}
        for record in records
    ]
    began = time.monotonic()
    for start in range(0, len(rows), BATCH):
        await driver.execute_query(
            "UNWIND $rows AS row MERGE (n:Bare {id: row.id}) SET n += row",
            {"rows": rows[start : start + BATCH]},
        )
    rate = len(rows) / (time.monotonic() - began)
    await driver.execute_query("MATCH (n:Bare) DETACH DELETE n")
    return rate


async def _of_postgres(pool: asyncpg.Pool, graph: int, shape: Shape) -> list[Reads]:
    store = PostgresSearchStore(pool)
    units = await _units(pool, graph)
    with acting_for(_KEY.tenant):
        async with store.snapshot(_KEY) as snapshot:
            assert snapshot is not None
            found = await _reads("PostgreSQL", snapshot, units, shape)
        return [*found, await _questions("PostgreSQL", store, shape)]


async def _of_neo4j(
    pool: asyncpg.Pool, driver: AsyncDriver, graph: int, shape: Shape
) -> list[Reads]:
    units = await _units(pool, graph)
    neo4j = Neo4jGraph(driver)

    async def stores() -> ProjectedStores:
        return ProjectedStores(neo4j)

    with acting_for(_KEY.tenant):
        reads = neo4j.reads(_KEY, await neo4j.version(_KEY))
        found = await _reads("Neo4j", reads, units, shape)
        store = ProjectedSearchStore(PostgresSearchStore(pool), stores)
        return [*found, await _questions("with Neo4j", store, shape)]


async def _units(pool: asyncpg.Pool, graph: int) -> list[UUID]:
    rows = await pool.fetch(
        "SELECT text_unit_id FROM graph_text_units WHERE graph_id = $1 LIMIT 20000", graph
    )
    return [row["text_unit_id"] for row in rows]


async def _reads(store: str, graph: GraphStore, units: Sequence[UUID], shape: Shape) -> list[Reads]:
    chance = random.Random(1)

    def titles() -> list[str]:
        return [title_of(chance.randrange(shape.entities)) for _ in range(10)]

    ways: dict[str, Callable[[], Awaitable[Any]]] = {
        "ten entities by title": lambda: graph.entities_by_title(titles()),
        "entities of ten text units": lambda: graph.mentioned_entities(
            chance.sample(units, 10), 50
        ),
        "a hundred relationships of ten entities": lambda: graph.relationships_of(titles(), 100),
    }
    return [Reads(words, store, await _timed(read, _READS)) for words, read in ways.items()]


async def _questions(store_name: str, store: Any, shape: Shape) -> Reads:
    chance = random.Random(2)
    embedder = SearchEmbedder(LocalEmbedder())

    async def ask() -> None:
        one, other = (title_of(chance.randrange(shape.entities)).title() for _ in range(2))
        await local_search(store, embedder, _KEY, f"What did {one} and {other} build?")

    await ask()  # the local model is loaded
    return Reads("local search, answer and all", store_name, await _timed(ask, _QUESTIONS))


async def _timed(read: Callable[[], Awaitable[Any]], count: int) -> tuple[float, ...]:
    times: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        await read()
        times.append((time.perf_counter() - began) * 1000)
    return tuple(sorted(times))


def _show(reads: Sequence[Reads], console: Console) -> None:
    table = Table(title="read, milliseconds", title_justify="left", box=None)
    for column in ("", "in", "median", "95 of 100", "longest"):
        table.add_column(column, justify="left" if column in ("", "in") else "right")
    for one in sorted(reads, key=lambda one: one.words):
        table.add_row(
            one.words,
            one.store,
            f"{one.at(0.5):,.1f}",
            f"{one.at(0.95):,.1f}",
            f"{one.times[-1]:,.1f}",
        )
    console.print()
    console.print(table)
