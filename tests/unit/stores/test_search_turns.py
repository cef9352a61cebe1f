"""Slow searches of one tenant hold up neither other tenants nor whatever else is asked."""

import asyncio
from contextlib import AsyncExitStack

import asyncpg
import pytest

from graphmill.embedding import LocalEmbedder
from graphmill.errors import Unavailable
from graphmill.models import CollectionKey
from graphmill.search import SearchEmbedder, local_search
from graphmill.stores.postgres.search import PostgresSearchStore
from graphmill.stores.postgres.search_turns import SearchTurns
from tests.published_graph import publish

KEY = CollectionKey("default", "files")
EMBEDDER = SearchEmbedder(LocalEmbedder())


@pytest.fixture
async def published(pool: asyncpg.Pool) -> None:
    await publish(pool, KEY, {"river.md": b"The Bubye River is a tributary of the Limpopo River."})


async def test_a_statement_that_takes_too_long_is_told_and_leaves_the_connection_as_it_was(
    published: None, pool: asyncpg.Pool, tenant_pool: asyncpg.Pool
) -> None:
    store = PostgresSearchStore(tenant_pool, statement_seconds=0.2)
    async with pool.acquire() as other, other.transaction():
        await other.execute("LOCK TABLE text_units IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Unavailable, match=r"more than 0\.2 s. Ask again later"):
            async with asyncio.timeout(10):
                await local_search(store, EMBEDDER, KEY, "Where is the Bubye River?")
    assert (await local_search(store, EMBEDDER, KEY, "Where is the Bubye River?")).citations
    assert await tenant_pool.fetchval("SHOW statement_timeout") == "0"


async def test_searches_leave_connections_to_whatever_else_is_asked(
    published: None, pool: asyncpg.Pool, tenant_pool: asyncpg.Pool
) -> None:
    """Six at once, where the pool has five connections."""
    store = PostgresSearchStore(tenant_pool, statement_seconds=5, wait_seconds=0.5)
    async with pool.acquire() as other, other.transaction():
        await other.execute("LOCK TABLE text_units IN ACCESS EXCLUSIVE MODE")
        searches = [
            asyncio.create_task(local_search(store, EMBEDDER, KEY, "Where is the Bubye River?"))
            for _ in range(6)
        ]
        ended, held = await asyncio.wait(searches, timeout=2)
        async with asyncio.timeout(1):
            assert await tenant_pool.fetchval("SELECT count(*) FROM collections") == 1
    assert (len(ended), len(held)) == (4, 2)
    for search in ended:
        with pytest.raises(Unavailable, match=r"none ended within 0\.5 s; ask again"):
            search.result()
    for search in held:
        assert (await search).citations


async def test_a_search_waits_for_a_connection_for_a_while_only(
    published: None, tenant_pool: asyncpg.Pool
) -> None:
    store = PostgresSearchStore(tenant_pool, wait_seconds=0.2)
    async with AsyncExitStack() as stack:
        for _ in range(5):
            await stack.enter_async_context(tenant_pool.acquire())
        with pytest.raises(Unavailable, match="no connection to PostgreSQL came free"):
            async with asyncio.timeout(10), store.snapshot(KEY):
                pass
    async with store.snapshot(KEY) as graph:
        assert graph is not None


async def test_of_those_that_wait_tenants_take_turns() -> None:
    turns = SearchTurns(1, 10)
    served: list[str] = []

    async def search(tenant: str) -> None:
        async with turns.turn(tenant):
            served.append(tenant)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for tenant in ("a", "a", "a", "a", "b", "b"):
            group.create_task(search(tenant))
    assert "".join(served) == "abab" + "aa"


async def test_who_is_cancelled_gives_its_place_back() -> None:
    turns = SearchTurns(1, 10)

    async def search() -> None:
        async with turns.turn("a"):
            await asyncio.sleep(60)

    holding, waiting, let_in = (asyncio.create_task(search()) for _ in range(3))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.sleep(0.01)
    holding.cancel()
    # In the very moment in which it is let in: `holding` hears first.
    asyncio.get_running_loop().call_soon(let_in.cancel)
    await asyncio.gather(holding, waiting, let_in, return_exceptions=True)
    async with asyncio.timeout(1), turns.turn("b"):
        pass
