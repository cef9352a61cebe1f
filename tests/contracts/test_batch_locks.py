"""Nobody sends a collection's batches beside another; and that keeps nobody else from anything."""

import asyncio
import signal
import sys
from typing import Any

import asyncpg
import pytest

from graphmill.llm.batch_client import BatchClient
from graphmill.stores.postgres.database import open_pool
from graphmill.stores.postgres.session_locks import SessionLocks
from tests.contracts.batched import NAME, TEXTS, UNITS, BatchedCollection, Make, make
from tests.support.model_endpoint import ModelEndpoint

__all__ = ["make"]

CONNECTIONS = 3
LOCKED = """
SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE l.locktype = 'advisory' AND d.datname = current_database()
"""
HOLD = """
import asyncio, sys
from graphmill.stores.postgres.session_locks import SessionLocks

async def hold():
    async with SessionLocks(sys.argv[1]).hold("a") as held:
        print(held, flush=True)
        await asyncio.sleep(60)

asyncio.run(hold())
"""


async def test_as_many_collections_as_a_process_has_connections_send_batches_at_once(
    make: Make, model: ModelEndpoint, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = asyncio.Barrier(CONNECTIONS)
    upload = BatchClient.upload

    async def upload_together(self: BatchClient, *given: Any) -> str:
        await together.wait()
        return await upload(self, *given)

    monkeypatch.setattr(BatchClient, "upload", upload_together)
    pool = await open_pool(database_url, CONNECTIONS)
    collections = [BatchedCollection(pool, model, database_url) for _ in range(CONNECTIONS)]
    for letters in collections:
        await letters.wait_with(NAME, TEXTS)
        await letters.queue()
    async with asyncio.timeout(20):
        assert await asyncio.gather(*(one.submit() for one in collections)) == [1] * CONNECTIONS
        await asyncio.gather(*(one.collect() for one in collections))
    assert [(await one.use()).calls for one in collections] == [UNITS] * CONNECTIONS
    await pool.close()


async def test_a_lock_is_held_once_in_a_process_and_by_one_of_several(database_url: str) -> None:
    here, there = SessionLocks(database_url), SessionLocks(database_url)
    async with here.hold("a") as first, here.hold("b") as another:
        async with here.hold("a") as again, there.hold("a") as elsewhere:
            assert (first, another, again, elsewhere) == (True, True, False, False)
        async with there.hold("a") as elsewhere:
            assert not elsewhere
    async with there.hold("a") as elsewhere:
        assert elsewhere


async def test_all_locks_of_a_process_take_one_connection_and_none_takes_none(
    database_url: str, pool: asyncpg.Pool
) -> None:
    connections = "SELECT count(DISTINCT pid) FROM pg_locks WHERE locktype = 'advisory'"
    sessions = "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database()"
    locks = SessionLocks(database_url)
    async with locks.hold("a"), locks.hold("b"):
        async with locks.hold("c"):
            assert await pool.fetchval(LOCKED) == 3
            assert await pool.fetchval(connections) == 1
        assert await pool.fetchval(LOCKED) == 2
    async with asyncio.timeout(5):
        while await pool.fetchval(sessions):
            await asyncio.sleep(0.01)


async def test_a_lock_ends_with_a_process_that_is_killed(database_url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, database_url, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"True\n"
    locks = SessionLocks(database_url)
    async with locks.hold("a") as held:
        assert not held
    process.send_signal(signal.SIGKILL)
    await process.wait()
    async with asyncio.timeout(5):
        while not held:
            async with locks.hold("a") as held:
                pass


async def test_a_lock_is_free_again_whoever_is_cancelled_and_whenever(
    database_url: str, pool: asyncpg.Pool
) -> None:
    locks = SessionLocks(database_url)

    async def hold() -> None:
        async with locks.hold("a"):
            await asyncio.sleep(60)

    async with locks.hold("b"):
        for turns in range(30):
            holding = asyncio.create_task(hold())
            for _ in range(turns):
                await asyncio.sleep(0)
            holding.cancel()
            await asyncio.wait([holding])
            holding = asyncio.create_task(hold())
            await asyncio.sleep(0.002)
            holding.cancel()
            await asyncio.wait([holding])
        async with locks.hold("a") as held:
            assert held
        assert await pool.fetchval(LOCKED) == 1


async def test_where_the_connection_was_lost_locks_are_to_be_had_again(
    database_url: str, pool: asyncpg.Pool
) -> None:
    locks = SessionLocks(database_url)
    async with locks.hold("a"):
        await pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        )
        async with asyncio.timeout(5):
            while await pool.fetchval(LOCKED):
                await asyncio.sleep(0.01)
        async with locks.hold("b") as held:
            assert held
        async with locks.hold("a") as held:
            assert not held  # whoever has it knows nothing of that
    async with locks.hold("a") as held:
        assert held
