"""CallStore: an answer is paid for once, whoever asks, and whoever dies meanwhile."""

import asyncio
from datetime import timedelta
from typing import cast
from uuid import uuid4

import asyncpg
import pytest

from graphmill.llm.caller import Stored
from graphmill.llm.calls import Message, ModelAnswer, Payer, Question
from graphmill.models import CollectionKey
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.model_calls import PostgresCallStore
from graphmill.stores.postgres.model_sessions import open_session

QUESTION = Question("test.v1", "a-model", (Message("user", "what is it?"),))
ANSWER = ModelAnswer("it is what it is", True, 10, 5, "here", nano_usd=7)


@pytest.fixture
async def payer(pool: asyncpg.Pool) -> Payer:
    key = CollectionKey("default", f"calls-{uuid4()}")
    await PostgresCatalog(pool).create_collection(key)
    return Payer(key, uuid4(), "extract_graph", uuid4())


async def test_an_answer_is_kept_and_found(pool: asyncpg.Pool, payer: Payer) -> None:
    async with open_session(pool) as session:
        store = PostgresCallStore(pool, session)
        assert await store.claim(payer, QUESTION.key) == Stored(None, 0, claimed=True)
        await store.save(payer, QUESTION.key, QUESTION, ANSWER, valid=True)
    async with open_session(pool) as session:
        found = await PostgresCallStore(pool, session).claim(payer, QUESTION.key)
        assert found == Stored(ANSWER.text)
    row = await pool.fetchrow("SELECT * FROM model_calls WHERE run_id = $1", payer.run_id)
    assert row is not None
    assert (row["prompt_tokens"], row["completion_tokens"], row["nano_usd"]) == (10, 5, 7)
    assert (row["step"], row["document_id"]) == (payer.step, payer.document_id)


async def test_only_one_of_many_may_ask(pool: asyncpg.Pool, payer: Payer) -> None:
    async with open_session(pool) as one, open_session(pool) as other:
        stores = [PostgresCallStore(pool, session) for session in (one, other)]
        found = await asyncio.gather(*(store.claim(payer, QUESTION.key) for store in stores))
        assert sorted(stored.claimed for stored in found) == [False, True]
        winner = stores[[stored.claimed for stored in found].index(True)]
        loser = stores[[stored.claimed for stored in found].index(False)]
        assert not (await loser.claim(payer, QUESTION.key)).claimed
        await winner.release(payer, QUESTION.key)
        assert (await loser.claim(payer, QUESTION.key)).claimed


async def test_an_answer_that_comes_while_its_claim_is_wanted_is_found(
    pool: asyncpg.Pool, payer: Payer
) -> None:
    async with open_session(pool) as one, open_session(pool) as other:
        await PostgresCallStore(pool, one).claim(payer, QUESTION.key)
        async with pool.acquire() as connection, connection.transaction():
            saving = PostgresCallStore(cast(asyncpg.Pool, connection), one)
            await saving.save(payer, QUESTION.key, QUESTION, ANSWER, valid=True)
            # Sees no answer yet, and waits for the claim, which is being ended.
            claiming = asyncio.create_task(
                PostgresCallStore(pool, other).claim(payer, QUESTION.key)
            )
            await asyncio.wait([claiming], timeout=0.2)
            assert not claiming.done()
        assert await claiming == Stored(ANSWER.text)
        assert not await pool.fetchval("SELECT count(*) FROM model_claims")


async def test_what_the_dead_were_asking_is_asked_by_others(
    pool: asyncpg.Pool, payer: Payer
) -> None:
    async with open_session(pool) as dead, open_session(pool) as alive:
        await PostgresCallStore(pool, dead).claim(payer, QUESTION.key)
        store = PostgresCallStore(pool, alive)
        assert not (await store.claim(payer, QUESTION.key)).claimed
        await pool.execute(
            "UPDATE model_sessions SET seen_at = now() - interval '11 s' WHERE id = $1", dead
        )
        assert (await store.claim(payer, QUESTION.key)).claimed


async def test_bad_answers_are_counted_in_a_run_and_never_found(
    pool: asyncpg.Pool, payer: Payer
) -> None:
    async with open_session(pool) as session:
        store = PostgresCallStore(pool, session)
        await store.claim(payer, QUESTION.key)
        for _ in range(2):
            bad = ModelAnswer("half \0 an \ud800 ans", False, 10, 5, "here")
            await store.save(payer, QUESTION.key, QUESTION, bad, valid=False)
        bad = "half \ufffd an ? ans"
        assert await store.claim(payer, QUESTION.key) == Stored(None, 2, claimed=True, last_bad=bad)
        later_run = Payer(payer.key, uuid4(), payer.step)
        assert await store.claim(later_run, QUESTION.key) == Stored(None, 0, claimed=True)
        await store.save(payer, QUESTION.key, QUESTION, ANSWER, valid=True)
        assert (await store.claim(payer, QUESTION.key)).answer == ANSWER.text
    assert await pool.fetchval("SELECT count(*) FROM model_calls WHERE NOT valid") >= 2


async def test_an_answer_may_expire_and_the_new_one_counts(
    pool: asyncpg.Pool, payer: Payer
) -> None:
    async with open_session(pool) as session:
        store = PostgresCallStore(pool, session, expiry=timedelta(hours=24))
        await store.claim(payer, QUESTION.key)
        await store.save(payer, QUESTION.key, QUESTION, ANSWER, valid=True)
        assert (await store.claim(payer, QUESTION.key)).answer == ANSWER.text
        await pool.execute("UPDATE model_calls SET answered_at = now() - interval '25 h'")
        assert (await store.claim(payer, QUESTION.key)).claimed
        newer = ModelAnswer("a newer word", True, 10, 5, "here")
        await store.save(payer, QUESTION.key, QUESTION, newer, valid=True)
        assert (await store.claim(payer, QUESTION.key)).answer == newer.text


async def test_a_tenant_never_sees_anothers_answer(pool: asyncpg.Pool, payer: Payer) -> None:
    stranger = CollectionKey("stranger", payer.key.name)
    await PostgresCatalog(pool).create_collection(stranger)
    async with open_session(pool) as session:
        store = PostgresCallStore(pool, session)
        await store.claim(payer, QUESTION.key)
        await store.save(payer, QUESTION.key, QUESTION, ANSWER, valid=True)
        theirs = Payer(stranger, uuid4(), "extract_graph")
        assert (await store.claim(theirs, QUESTION.key)).claimed


async def test_answers_go_with_the_collection_that_paid(pool: asyncpg.Pool, payer: Payer) -> None:
    async with open_session(pool) as session:
        store = PostgresCallStore(pool, session)
        await store.claim(payer, QUESTION.key)
        await store.save(payer, QUESTION.key, QUESTION, ANSWER, valid=True)
    await PostgresCatalog(pool).delete_collection(payer.key)
    assert not await pool.fetchval(
        "SELECT count(*) FROM model_calls WHERE collection = $1", payer.key.name
    )
