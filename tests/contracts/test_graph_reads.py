"""What search reads of a graph is the same in every store that holds it (search.ports.GraphStore).

A new store is one line of STORES: how a published graph comes into it, and its reads.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from neo4j import AsyncDriver

from graphmill.models import CollectionKey
from graphmill.projections.syncing import sync
from graphmill.search.ports import GraphStore, OtherGraph
from graphmill.stores.neo4j.graph import Neo4jGraph
from graphmill.stores.postgres.projection_source import open_source
from graphmill.stores.postgres.search import PostgresSearchStore
from tests.published_graph import publish

KEY = CollectionKey("acme", "letters")
RIVAL = CollectionKey("rival", "letters")
FILES = {
    f"{number}.txt": text.encode()
    for number, text in enumerate(
        (
            "Ada Lovelace met Charles Babbage in London. Ada Lovelace wrote to Mary Somerville.",
            "Charles Babbage built the Difference Engine in London. Mary Somerville saw it.",
            "The Difference Engine pleased Ada Lovelace. London admired Charles Babbage.",
            "Charles Babbage and Ada Lovelace walked in Hyde Park. Hyde Park is in London.",
        )
    )
}
SECRET = {"s.txt": b"Ada Lovelace met Secret Agent. Secret Agent met Ada Lovelace in London."}

Show = Callable[[CollectionKey], AbstractAsyncContextManager[GraphStore]]


@pytest.fixture(params=["postgresql", "neo4j"])
def show(request: pytest.FixtureRequest, pool: asyncpg.Pool) -> Show:
    if request.param == "neo4j":
        graph: Neo4jGraph = request.getfixturevalue("graph")
        return lambda key: in_neo4j(pool, graph, key)
    return lambda key: in_postgresql(pool, key)


@asynccontextmanager
async def in_postgresql(pool: asyncpg.Pool, key: CollectionKey) -> AsyncGenerator[GraphStore]:
    async with PostgresSearchStore(pool).snapshot(key) as snapshot:
        assert snapshot is not None
        yield snapshot


@asynccontextmanager
async def in_neo4j(
    pool: asyncpg.Pool, graph: Neo4jGraph, key: CollectionKey
) -> AsyncGenerator[GraphStore]:
    async with open_source(pool, key) as source:
        assert source is not None
        await sync(key, source, graph)
        yield graph.reads(key, source.version)


async def rows(pool: asyncpg.Pool, statement: str, *values: Any) -> list[asyncpg.Record]:
    return await pool.fetch(statement, *values)


async def test_entities_are_found_by_title(pool: asyncpg.Pool, show: Show) -> None:
    id = await publish(pool, KEY, FILES)
    async with show(KEY) as graph:
        found = await graph.entities_by_title(["LONDON", "ADA LOVELACE", "NOBODY", "LONDON"])
        assert await graph.entities_by_title([]) == ()
    assert [entity.title for entity in found] == ["ADA LOVELACE", "LONDON"]
    for entity in found:
        (row,) = await rows(
            pool, "SELECT * FROM entities WHERE graph_id = $1 AND id = $2", id, entity.id
        )
        assert (entity.type, entity.description) == (row["type"], row["description"])
        assert entity.frequency == row["frequency"]
        assert list(entity.text_unit_ids) == row["text_unit_ids"]


async def test_entities_that_lead_on_are_those_of_several_text_units_and_not_of_too_many(
    pool: asyncpg.Pool, show: Show
) -> None:
    id = await publish(pool, KEY, FILES, min_node_freq=1)
    units = [row["id"] for row in await rows(pool, "SELECT id FROM text_units ORDER BY id")]
    held = await rows(pool, "SELECT * FROM entities WHERE graph_id = $1 ORDER BY id", id)
    async with show(KEY) as graph:
        for most in (2, 3, 50):
            found = await graph.mentioned_entities(units[:2], most)
            assert [entity.id for entity in found] == [
                row["id"]
                for row in held
                if 2 <= row["frequency"] <= most and set(row["text_unit_ids"]) & set(units[:2])
            ]
        assert await graph.mentioned_entities([uuid4()], 50) == ()
        assert await graph.mentioned_entities([], 50) == ()


async def test_relationships_come_heaviest_first(pool: asyncpg.Pool, show: Show) -> None:
    id = await publish(pool, KEY, FILES)
    held = await rows(
        pool,
        "SELECT * FROM relationships WHERE graph_id = $1 AND ("
        "source IN ('LONDON', 'CHARLES BABBAGE') OR target IN ('LONDON', 'CHARLES BABBAGE'))"
        " ORDER BY weight DESC, id",
        id,
    )
    assert len(held) >= 3
    async with show(KEY) as graph:
        found = await graph.relationships_of(["LONDON", "CHARLES BABBAGE"], 100)
        assert await graph.relationships_of(["LONDON", "CHARLES BABBAGE"], 2) == found[:2]
        assert await graph.relationships_of(["NOBODY"], 2) == ()
    assert [
        (one.id, one.source, one.target, one.description, one.weight, list(one.text_unit_ids))
        for one in found
    ] == [
        tuple(
            row[name]
            for name in ("id", "source", "target", "description", "weight", "text_unit_ids")
        )
        for row in held
    ]


async def test_nobody_reads_what_another_tenant_has(pool: asyncpg.Pool, show: Show) -> None:
    await publish(pool, KEY, FILES)
    await publish(pool, RIVAL, SECRET, min_node_freq=1)
    async with show(RIVAL) as theirs:
        (agent,) = await theirs.entities_by_title(["SECRET AGENT"])
        assert await theirs.relationships_of(["SECRET AGENT"], 10)
    async with show(KEY) as ours:
        assert await ours.entities_by_title(["SECRET AGENT"]) == ()
        assert await ours.relationships_of(["SECRET AGENT"], 10) == ()
        # Crafted: ids that are theirs.
        assert await ours.mentioned_entities(agent.text_unit_ids, 50) == ()
        (ada,) = await ours.entities_by_title(["ADA LOVELACE"])
        assert not set(ada.text_unit_ids) & set(agent.text_unit_ids)


Read = Callable[[GraphStore], Awaitable[tuple[Any, ...]]]
READS: Mapping[str, Read] = {
    "entities_by_title": lambda graph: graph.entities_by_title(["LONDON"]),
    "mentioned_entities": lambda graph: graph.mentioned_entities([UUID(int=1)], 50),
    "relationships_of": lambda graph: graph.relationships_of(["LONDON"], 10),
}


@pytest.mark.parametrize("name", READS)
async def test_a_projection_that_holds_another_graph_by_now_says_so(
    name: str, pool: asyncpg.Pool, driver: AsyncDriver, graph: Neo4jGraph
) -> None:
    await publish(pool, KEY, FILES)
    async with in_neo4j(pool, graph, KEY) as reads:
        await READS[name](reads)
        await graph.set_version(KEY, "")
        with pytest.raises(OtherGraph):
            await READS[name](reads)
        await driver.execute_query("MATCH (c:Collection) DELETE c")
        with pytest.raises(OtherGraph):
            await READS[name](reads)
