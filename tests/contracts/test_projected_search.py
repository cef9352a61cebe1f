"""Answers are the same whichever store entities and vectors are read in, whatever befalls it."""

import asyncio
from collections.abc import AsyncGenerator

import asyncpg
import pytest
import pytest_asyncio
from neo4j import AsyncDriver
from qdrant_client import AsyncQdrantClient

from graphmill.embedding import LocalEmbedder
from graphmill.errors import Unavailable
from graphmill.models import Answer, CollectionKey
from graphmill.projections.ports import Projection
from graphmill.projections.syncing import sync
from graphmill.search import SearchEmbedder, local_search
from graphmill.search.ports import SearchStore
from graphmill.stores.neo4j.graph import Neo4jGraph
from graphmill.stores.postgres.projection_source import open_source
from graphmill.stores.postgres.search import PostgresSearchStore
from graphmill.stores.projected import ProjectedStores
from graphmill.stores.projected_search import ProjectedSearchStore
from graphmill.stores.qdrant.vectors import QdrantVectors
from graphmill.tenancy import acting_for
from tests.published_graph import publish

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
]

KEY = CollectionKey("acme", "letters")
FILES = {
    "a.txt": b"Ada Lovelace met Charles Babbage in London. Ada Lovelace wrote to Mary Somerville.",
    "b.txt": b"Charles Babbage built the Difference Engine in London. Mary Somerville saw it.",
    "c.txt": b"The Difference Engine pleased Ada Lovelace. London admired Charles Babbage.",
}
QUESTION = "Who built the Difference Engine that pleased Ada Lovelace?"


class Watched:
    """A store that counts who asks it which graph it holds, and may be away."""

    def __init__(self, store: Projection) -> None:
        self._store = store
        self.asked = 0
        self.away = False

    async def version(self, key: CollectionKey) -> str:
        self.asked += 1
        if self.away:
            raise Unavailable("away")
        return await self._store.version(key)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


@pytest_asyncio.fixture
async def stores(graph: Neo4jGraph) -> AsyncGenerator[ProjectedStores]:
    client = AsyncQdrantClient(":memory:")
    yield ProjectedStores(graph, QdrantVectors(client))
    await client.close()


async def fill(pool: asyncpg.Pool, stores: ProjectedStores) -> None:
    async with open_source(pool, KEY) as source:
        assert source is not None
        for store in stores.all:
            await store.prepare()
            await sync(KEY, source, store)


async def answer(store: SearchStore) -> Answer:
    embedder = SearchEmbedder(LocalEmbedder())
    with acting_for(KEY.tenant):
        found = await local_search(store, embedder, KEY, QUESTION)
    return Answer(found.answer, found.mode, found.citations, found.entities)


def over(pool: asyncpg.Pool, stores: ProjectedStores) -> ProjectedSearchStore:
    async def opened() -> ProjectedStores:
        return stores

    return ProjectedSearchStore(PostgresSearchStore(pool), opened)


async def test_answers_are_those_of_postgresql(
    pool: asyncpg.Pool, driver: AsyncDriver, stores: ProjectedStores
) -> None:
    await publish(pool, KEY, FILES)
    wanted = await answer(PostgresSearchStore(pool))
    assert wanted.citations
    assert wanted.entities
    await fill(pool, stores)
    assert await answer(over(pool, stores)) == wanted
    # It is really there that they are read.
    await driver.execute_query("MATCH (e:Entity) SET e.title = 'X' + e.title")
    assert await answer(over(pool, stores)) != wanted


@pytest.mark.parametrize("share", ["nothing", "another graph", "half"])
async def test_a_store_that_does_not_hold_the_graph_is_not_read(
    share: str, pool: asyncpg.Pool, driver: AsyncDriver, stores: ProjectedStores
) -> None:
    await publish(pool, KEY, FILES)
    if share != "nothing":
        await fill(pool, stores)
    if share == "another graph":
        await publish(pool, KEY, {**FILES, "d.txt": b"Charles Babbage met Mary Somerville."})
    if share == "half":
        for store in stores.all:
            await store.set_version(KEY, "")
        await driver.execute_query("MATCH (e:Entity) DETACH DELETE e")
    assert await answer(over(pool, stores)) == await answer(PostgresSearchStore(pool))


async def test_a_store_that_is_away_is_left_alone_for_a_while(
    pool: asyncpg.Pool, stores: ProjectedStores
) -> None:
    await publish(pool, KEY, FILES)
    await fill(pool, stores)
    assert stores.graph is not None
    watched = Watched(stores.graph)
    watched.away = True
    store = over(pool, ProjectedStores(watched, stores.vectors))  # type: ignore[arg-type]
    wanted = await answer(PostgresSearchStore(pool))
    for _ in range(3):
        assert await answer(store) == wanted
    assert watched.asked == 1


async def test_a_store_that_tells_its_graph_and_then_hangs_is_given_up_and_left_alone(
    pool: asyncpg.Pool, stores: ProjectedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphmill.stores.projected_search._READ_SECONDS", 0.2)
    await publish(pool, KEY, FILES)
    await fill(pool, stores)
    wanted = await answer(PostgresSearchStore(pool))
    hung = 0

    async def hang(*of: object, **given: object) -> None:
        nonlocal hung
        hung += 1
        await asyncio.sleep(60)

    monkeypatch.setattr("graphmill.stores.neo4j.reads.run", hang)
    store = over(pool, stores)
    for _ in range(3):
        async with asyncio.timeout(10):
            assert await answer(store) == wanted
    assert hung == 1


async def test_a_store_that_is_written_between_two_reads_is_read_no_more(
    pool: asyncpg.Pool, driver: AsyncDriver, stores: ProjectedStores
) -> None:
    await publish(pool, KEY, FILES)
    await fill(pool, stores)
    async with over(pool, stores).snapshot(KEY) as graph:
        assert graph is not None
        before = await graph.entities_by_title(["LONDON"])
        assert stores.graph is not None
        await stores.graph.set_version(KEY, "")
        await driver.execute_query("MATCH (e:Entity) DETACH DELETE e")
        assert await graph.entities_by_title(["LONDON"]) == before
        # Though it holds the graph again meanwhile.
        await fill(pool, stores)
        await driver.execute_query("MATCH (e:Entity) SET e.title = 'X'")
        assert await graph.entities_by_title(["LONDON"]) == before
