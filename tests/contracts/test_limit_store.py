"""LimitStore: one row holds the limits of an endpoint for all workers."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from graphmill.errors import Unavailable
from graphmill.llm.limits import Ask, Limits, Report
from graphmill.stores.postgres.model_limits import PostgresLimitStore
from graphmill.stores.postgres.model_sessions import open_session


@pytest.fixture
def endpoint() -> str:
    return f"endpoint-{uuid4()}"


async def test_workers_share_places_whoever_asks_first(pool: asyncpg.Pool, endpoint: str) -> None:
    async with open_session(pool) as one, open_session(pool) as other:
        first, second = PostgresLimitStore(pool, one), PostgresLimitStore(pool, other)
        await first.declare(endpoint, Limits(10))
        greedy = await first.exchange(endpoint, Ask(0, 100))
        assert greedy.places == 10
        assert (await second.exchange(endpoint, Ask(0, 100))).places == 0
        assert (await first.exchange(endpoint, Ask(10, 90))).places == 5
        # Five calls are over what it has now; until they end their places are not free.
        assert (await second.exchange(endpoint, Ask(0, 100))).places == 0
        assert (await first.exchange(endpoint, Ask(5, 90))).places == 5
        assert (await second.exchange(endpoint, Ask(0, 100))).places == 5


async def test_many_at_once_never_hold_more_than_there_is(
    pool: asyncpg.Pool, endpoint: str
) -> None:
    async with open_session(pool) as one, open_session(pool) as other, open_session(pool) as third:
        stores = [PostgresLimitStore(pool, session) for session in (one, other, third)]
        await stores[0].declare(endpoint, Limits(17))
        held = [0, 0, 0]

        async def work(number: int) -> None:
            for _ in range(20):
                grant = await stores[number].exchange(endpoint, Ask(held[number], 30))
                held[number] = grant.places
                assert sum(held) <= 17

        await asyncio.gather(*(work(number) for number in range(3)))
        assert sum(held) >= 15


async def test_the_places_of_the_dead_are_free(pool: asyncpg.Pool, endpoint: str) -> None:
    async with open_session(pool) as dead, open_session(pool) as alive:
        await PostgresLimitStore(pool, dead).declare(endpoint, Limits(10))
        await PostgresLimitStore(pool, dead).exchange(endpoint, Ask(0, 100))
        store = PostgresLimitStore(pool, alive)
        assert (await store.exchange(endpoint, Ask(0, 100))).places == 0
        await pool.execute(
            "UPDATE model_sessions SET seen_at = now() - interval '11 s' WHERE id = $1", dead
        )
        assert (await store.exchange(endpoint, Ask(0, 100))).places == 10


async def test_what_a_worker_saw_holds_for_all(pool: asyncpg.Pool, endpoint: str) -> None:
    async with open_session(pool) as one, open_session(pool) as other:
        store = PostgresLimitStore(pool, one)
        await store.declare(endpoint, Limits(10))
        await store.exchange(endpoint, Ask(1, 0, report=Report(overloaded=1, retry_after=30)))
        assert (await PostgresLimitStore(pool, other).exchange(endpoint, Ask(0, 1))).closed > 29


async def test_limits_change_by_hand_and_by_settings_that_say_something_new(
    pool: asyncpg.Pool, endpoint: str
) -> None:
    async with open_session(pool) as session:
        store = PostgresLimitStore(pool, session)
        await store.declare(endpoint, Limits(10))
        await pool.execute("UPDATE model_endpoints SET places = 3 WHERE name = $1", endpoint)
        await store.declare(endpoint, Limits(10))  # another worker starts, with the same settings
        assert (await store.exchange(endpoint, Ask(0, 100))).places == 3
        await store.declare(endpoint, Limits(20))
        assert (await store.exchange(endpoint, Ask(0, 100))).places == 20


async def test_starts_are_paced_over_all_workers(pool: asyncpg.Pool, endpoint: str) -> None:
    async with open_session(pool) as one, open_session(pool) as other:
        stores = [PostgresLimitStore(pool, session) for session in (one, other)]
        await stores[0].declare(endpoint, Limits(100, requests_per_minute=600))
        grants = [await store.exchange(endpoint, Ask(0, 50, starts=(10,) * 50)) for store in stores]
        assert 5 <= sum(len(grant.starts) for grant in grants) <= 12


async def test_an_endpoint_that_nobody_declared_is_no_place_to_call(
    pool: asyncpg.Pool, endpoint: str
) -> None:
    async with open_session(pool) as session:
        with pytest.raises(Unavailable):
            await PostgresLimitStore(pool, session).exchange(endpoint, Ask(0, 1))


async def test_a_session_ends_with_its_block(pool: asyncpg.Pool) -> None:
    async with open_session(pool) as session:
        assert await pool.fetchval("SELECT true FROM model_sessions WHERE id = $1", session)
    assert not await pool.fetchval("SELECT true FROM model_sessions WHERE id = $1", session)
