"""CallStore: an answer is paid for once, whoever asks, and whoever dies meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
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


async def _claims(store: PostgresCallStore, payer: Payer) -> None:
    """Returns when it may ask."""
    async with asyncio.timeout(10):
        while not (await store.claim(payer, QUESTION.key)).claimed:
            await asyncio.sleep(0.02)


@dataclass
class _Unsteady:
    """A pool whose server goes away: so many statements are not done, or done and not answered."""

    pool: asyncpg.Pool
    not_done: int = 0
    not_answered: int = 0

    async def execute(self, *given: Any) -> Any:
        return await self._make(self.pool.execute, *given)

    async def fetch(self, *given: Any) -> Any:
        return await self._make(self.pool.fetch, *given)

    async def _make(self, statement: Callable[..., Awaitable[Any]], *given: Any) -> Any:
        if self.not_done:
            self.not_done -= 1
            raise asyncpg.ConnectionDoesNotExistError
        done = await statement(*given)
        if self.not_answered:
            self.not_answered -= 1
            raise asyncpg.ConnectionDoesNotExistError
        return done


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
        winner.release(payer, QUESTION.key)
        await _claims(loser, payer)


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


def _questions(count: int) -> list[Question]:
    return [
        Question("test.v1", "a-model", (Message("user", f"what is {number}?"),))
        for number in range(count)
    ]


async def test_what_is_asked_at_once_is_claimed_and_kept_each_for_itself(
    pool: asyncpg.Pool, payer: Payer
) -> None:
    questions = _questions(200)
    other_run = Payer(payer.key, uuid4(), "summarize_descriptions")
    async with open_session(pool) as session:
        store = PostgresCallStore(pool, session)

        async def ask(number: int) -> None:
            whose, key = (payer, other_run)[number % 2], questions[number].key
            assert (await store.claim(whose, key)) == Stored(None, claimed=True)
            answer = ModelAnswer(f"it is {number}", True, number, 1, "here", nano_usd=1)
            valid = number % 3 > 0
            await store.save(whose, key, questions[number], answer, valid=valid)
            stored = await store.claim(whose, key)
            said = stored.answer if valid else stored.last_bad
            assert said == f"it is {number}"

        await asyncio.gather(*map(ask, range(len(questions))))
    for whose, first in ((payer, 0), (other_run, 1)):
        row = await pool.fetchrow(
            "SELECT sum(calls) AS calls, sum(prompt_tokens) AS tokens, sum(nano_usd) AS cost"
            " FROM model_accounts WHERE run_id = $1 AND step = $2",
            whose.run_id,
            whose.step,
        )
        assert row is not None
        assert (row["calls"], row["tokens"], row["cost"]) == (100, sum(range(first, 200, 2)), 100)


async def test_two_workers_that_claim_the_same_in_any_order_share_it_out(
    pool: asyncpg.Pool, payer: Payer
) -> None:
    questions = _questions(150)
    async with open_session(pool) as one, open_session(pool) as other:
        stores = [PostgresCallStore(pool, session) for session in (one, other)]
        found = await asyncio.gather(
            *(stores[0].claim(payer, question.key) for question in questions),
            *(stores[1].claim(payer, question.key) for question in reversed(questions)),
        )
    assert sum(stored.claimed for stored in found) == len(questions)


@pytest.mark.parametrize(("not_done", "not_answered"), [(2, 0), (0, 2), (1, 1)])
async def test_a_paid_answer_is_kept_once_though_the_database_goes_away(
    pool: asyncpg.Pool, payer: Payer, not_done: int, not_answered: int
) -> None:
    async with open_session(pool) as session:
        unsteady = _Unsteady(pool)
        store = PostgresCallStore(cast(asyncpg.Pool, unsteady), session)
        await store.claim(payer, QUESTION.key)
        unsteady.not_done, unsteady.not_answered = not_done, not_answered
        await store.save(payer, QUESTION.key, QUESTION, ANSWER, valid=True)
        assert await store.claim(payer, QUESTION.key) == Stored(ANSWER.text)
    kept = "SELECT count(*) FROM model_calls WHERE run_id = $1"
    assert await pool.fetchval(kept, payer.run_id) == 1
    calls = "SELECT sum(calls) FROM model_accounts WHERE run_id = $1"
    assert await pool.fetchval(calls, payer.run_id) == 1


async def test_an_answer_is_kept_though_whoever_asked_is_stopped(
    pool: asyncpg.Pool, payer: Payer
) -> None:
    async with open_session(pool) as session:
        store = PostgresCallStore(pool, session)
        await store.claim(payer, QUESTION.key)
        saving = asyncio.create_task(store.save(payer, QUESTION.key, QUESTION, ANSWER, valid=True))
        await asyncio.sleep(0)
        saving.cancel()
        await asyncio.wait([saving])  # not before it is kept: then its claim is given back
        assert saving.cancelled()
        assert await store.claim(payer, QUESTION.key) == Stored(ANSWER.text)


async def test_an_answer_that_cannot_be_kept_takes_no_other_with_it(
    pool: asyncpg.Pool, payer: Payer
) -> None:
    gone = Payer(CollectionKey("default", f"gone-{uuid4()}"), uuid4(), "extract_graph")
    questions = _questions(5)
    async with open_session(pool) as session:
        store = PostgresCallStore(pool, session)
        saved = await asyncio.gather(
            *(
                store.save(gone if number == 2 else payer, one.key, one, ANSWER, valid=True)
                for number, one in enumerate(questions)
            ),
            return_exceptions=True,
        )
        assert [type(error) for error in saved] == [
            asyncpg.ForeignKeyViolationError if number == 2 else type(None) for number in range(5)
        ]


async def test_a_claim_is_given_back_however_long_the_database_is_away(
    pool: asyncpg.Pool, payer: Payer
) -> None:
    async with open_session(pool) as one, open_session(pool) as other:
        unsteady = _Unsteady(pool)
        store = PostgresCallStore(cast(asyncpg.Pool, unsteady), one)
        await store.claim(payer, QUESTION.key)
        unsteady.not_done = 2
        store.release(payer, QUESTION.key)
        await _claims(PostgresCallStore(pool, other), payer)
        await store.aclose()


async def test_a_claim_of_which_nobody_hears_holds_nobody_up(
    pool: asyncpg.Pool, payer: Payer
) -> None:
    """Its reply is lost, or who wanted it is stopped meanwhile."""
    async with open_session(pool) as one, open_session(pool) as other:
        unsteady = _Unsteady(pool, not_answered=1)
        store = PostgresCallStore(cast(asyncpg.Pool, unsteady), one)
        with pytest.raises(asyncpg.ConnectionDoesNotExistError):
            await store.claim(payer, QUESTION.key)
        elsewhere = PostgresCallStore(pool, other)
        await _claims(elsewhere, payer)
        elsewhere.release(payer, QUESTION.key)
        stopped = asyncio.create_task(store.claim(payer, QUESTION.key))
        await asyncio.sleep(0.001)
        stopped.cancel()
        await asyncio.wait([stopped])
        await _claims(elsewhere, payer)
        await store.aclose()


async def test_what_is_given_back_and_claimed_again_is_ours(
    pool: asyncpg.Pool, payer: Payer
) -> None:
    async with open_session(pool) as one, open_session(pool) as other:
        store, elsewhere = PostgresCallStore(pool, one), PostgresCallStore(pool, other)
        for _ in range(20):
            assert (await store.claim(payer, QUESTION.key)).claimed
            store.release(payer, QUESTION.key)
        assert (await store.claim(payer, QUESTION.key)).claimed
        await asyncio.sleep(0.1)
        assert not (await elsewhere.claim(payer, QUESTION.key)).claimed


async def test_answers_that_cannot_be_kept_in_time_are_told_together(
    pool: asyncpg.Pool, payer: Payer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphmill.stores.postgres.keeping._KEEP_SECONDS", 0.5)
    async with open_session(pool) as session:
        away = _Unsteady(pool, not_done=1_000_000)
        store = PostgresCallStore(cast(asyncpg.Pool, away), session)
        async with asyncio.timeout(10):
            told = await asyncio.gather(
                *(store.save(payer, one.key, one, ANSWER, valid=True) for one in _questions(120)),
                return_exceptions=True,
            )
            await store.aclose()
    assert {type(error) for error in told} == {asyncpg.ConnectionDoesNotExistError}
