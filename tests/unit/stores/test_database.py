"""The connection pool ends without a word, whatever was under way."""

import asyncio
import gc
from typing import Any

import asyncpg
import pytest

from graphmill.stores.postgres.database import close_pool, open_pool


async def test_a_connection_on_its_way_back_when_a_command_is_interrupted_is_no_traceback(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    returning = asyncio.Event()

    async def slow_reset(connection: asyncpg.Connection) -> None:
        returning.set()
        await asyncio.sleep(0.05)

    monkeypatch.setattr("graphmill.stores.postgres.database._leave_as_it_is", slow_reset)
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    pool = await open_pool(database_url, 1)
    asking = asyncio.create_task(pool.fetchval("SELECT 1"))
    await returning.wait()
    asking.cancel()
    await asyncio.wait([asking])
    await close_pool(pool)
    await asyncio.sleep(0.1)
    gc.collect()
    assert told == []


async def test_a_query_that_hangs_holds_nobody_up(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphmill.stores.postgres.database._CLOSE_SECONDS", 0.1)
    pool = await open_pool(database_url, 1)
    hanging = asyncio.create_task(pool.fetchval("SELECT pg_sleep(60)"))
    while not pool.get_size():
        await asyncio.sleep(0.01)
    async with asyncio.timeout(5):
        await close_pool(pool)
        await asyncio.wait([hanging])
    assert hanging.exception()


async def test_a_transaction_that_was_left_open_is_undone(database_url: str) -> None:
    pool = await open_pool(database_url, 1)
    async with pool.acquire() as connection:
        await connection.execute("BEGIN; CREATE TABLE left_open (id int)")
    assert await pool.fetchval("SELECT to_regclass('left_open')") is None
    await close_pool(pool)


async def test_a_connection_that_nobody_uses_is_given_back(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphmill.stores.postgres.database._IDLE_SECONDS", 0.1)
    pool = await open_pool(database_url, 3)
    await asyncio.gather(*(pool.fetchval("SELECT pg_sleep(0.05)") for _ in range(3)))
    assert pool.get_size() == 3
    async with asyncio.timeout(5):
        while pool.get_size():
            await asyncio.sleep(0.02)
    assert await pool.fetchval("SELECT 1") == 1
    await close_pool(pool)
