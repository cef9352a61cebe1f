"""What a run and a document cost is known without adding up all calls, and exactly."""

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import asyncpg
import pytest

from graphmill.index_request import IndexRequest
from graphmill.llm.budgets import RunMoney
from graphmill.llm.calls import Message, ModelAnswer, Payer, Question
from graphmill.messages import OpenRun
from graphmill.models import CollectionKey, Method
from graphmill.run_status import ModelUse, RunModelUse
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.indexing import PostgresIndexingStore
from graphmill.stores.postgres.model_accounts import PostgresModelAccounts, counting_known
from graphmill.stores.postgres.model_calls import PostgresCallStore
from graphmill.stores.postgres.model_sessions import open_session

ANSWER = ModelAnswer("it is what it is", True, 10, 5, "here", nano_usd=7)


def question(number: int, model: str = "a-model") -> Question:
    return Question("test.v1", model, (Message("user", f"number {number}?"),))


@pytest.fixture
async def payer(pool: asyncpg.Pool) -> Payer:
    key = CollectionKey("default", f"accounts-{uuid4()}")
    await PostgresCatalog(pool).create_collection(key)
    return Payer(key, uuid4(), "extract_graph", uuid4())


@pytest.fixture
def accounts(pool: asyncpg.Pool) -> PostgresModelAccounts:
    return PostgresModelAccounts(pool)


def run_of(payer: Payer) -> UUID:
    assert payer.run_id is not None
    return payer.run_id


async def test_answers_of_many_at_once_are_all_in_their_runs_account(
    pool: asyncpg.Pool, accounts: PostgresModelAccounts, payer: Payer
) -> None:
    async with open_session(pool) as one, open_session(pool) as other:
        stores = [PostgresCallStore(pool, session) for session in (one, other)]

        async def save(number: int) -> None:
            asked = question(number, "b-model" if number % 4 == 0 else "a-model")
            paying = replace(payer, step="summaries") if number % 2 else payer
            # Bad answers are paid for too.
            await stores[number % 2].save(paying, asked.key, asked, ANSWER, valid=number % 3 > 0)

        await asyncio.gather(*(save(number) for number in range(120)))
        later = replace(payer, run_id=uuid4())
        asked = question(1000)
        await stores[0].save(later, asked.key, asked, ANSWER, valid=True)
        nobody = replace(payer, run_id=None)
        asked = question(1001)
        await stores[0].save(nobody, asked.key, asked, ANSWER, valid=True)

    def times(count: int) -> ModelUse:
        return ModelUse(count, 0, 10 * count, 5 * count, 7 * count)

    assert await accounts.run_use(run_of(payer)) == RunModelUse(
        times(120),
        {"extract_graph": times(60), "summaries": times(60)},
        {"a-model": times(90), "b-model": times(30)},
    )
    assert (await accounts.run_use(run_of(later))).total == times(1)
    assert await accounts.run_use(uuid4()) == RunModelUse()
    assert payer.document_id is not None
    assert await accounts.document_use(payer.key, payer.document_id) == times(122)
    assert await accounts.document_use(payer.key, uuid4()) == ModelUse()


async def test_an_answer_that_is_not_kept_is_not_in_the_account(
    pool: asyncpg.Pool, accounts: PostgresModelAccounts, payer: Payer
) -> None:
    async with open_session(pool) as session:
        store = PostgresCallStore(pool, session)
        gone = replace(payer, key=CollectionKey("default", "never-was"))
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await store.save(gone, question(1).key, question(1), ANSWER, valid=True)
    assert await accounts.run_use(run_of(payer)) == RunModelUse()


async def test_a_runs_money_is_what_it_may_and_did_spend(
    pool: asyncpg.Pool, accounts: PostgresModelAccounts, payer: Payer
) -> None:
    run_id = run_of(payer)
    assert await accounts.run_money(run_id) == RunMoney(None)
    request = IndexRequest(payer.key.name, payer.key.tenant, budget_usd=0.25)
    opening = OpenRun(run_id, "index/x/y", request)
    await PostgresIndexingStore(pool).open_run(opening, Method.STANDARD, b"recipe")
    assert await accounts.run_money(run_id) == RunMoney(250_000_000)
    async with open_session(pool) as session, counting_known(pool) as known:
        store = PostgresCallStore(pool, session)
        for number, tokens in enumerate((10, 20)):
            answer = replace(ANSWER, completion_tokens=tokens)
            await store.save(payer, question(number).key, question(number), answer, valid=True)
        known.count(replace(payer, step="summaries"), question(0))
    assert await accounts.run_money(run_id) == RunMoney(250_000_000, 14, {"extract_graph": 15.0})


async def test_known_answers_are_counted_though_the_collection_of_some_is_gone(
    pool: asyncpg.Pool, accounts: PostgresModelAccounts, payer: Payer
) -> None:
    gone = replace(payer, key=CollectionKey("default", "never-was"), run_id=uuid4())
    async with counting_known(pool) as known:
        for _ in range(3):
            known.count(payer, question(1))
        known.count(gone, question(1))
        known.count(replace(payer, run_id=None), question(1))
        await known.write()
        assert (await accounts.run_use(run_of(payer))).total == ModelUse(cached=3)
        known.count(payer, question(2))
    assert (await accounts.run_use(run_of(payer))).steps == {"extract_graph": ModelUse(cached=4)}
    assert (await accounts.run_use(run_of(gone))) == RunModelUse()


async def test_known_answers_that_could_not_be_counted_are_counted_later(
    pool: asyncpg.Pool, accounts: PostgresModelAccounts, payer: Payer
) -> None:
    async with counting_known(pool) as known:
        known.count(payer, question(1))
        await pool.execute("ALTER TABLE model_accounts RENAME TO away")
        await known.write()
        await pool.execute("ALTER TABLE away RENAME TO model_accounts")
        known.count(payer, question(1))
    assert (await accounts.run_use(run_of(payer))).total == ModelUse(cached=2)


async def test_two_workers_that_count_the_same_runs_do_not_hold_each_other_up(
    pool: asyncpg.Pool,
    accounts: PostgresModelAccounts,
    payer: Payer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    runs = [replace(payer, run_id=uuid4()) for _ in range(30)]
    async with counting_known(pool) as one, counting_known(pool) as other:
        one._slot = other._slot = 0  # pyright: ignore[reportPrivateUsage]
        for _ in range(10):
            for run, back in zip(runs, reversed(runs), strict=True):
                one.count(run, question(1))
                other.count(back, question(1))
            await asyncio.gather(one.write(), other.write())
    for run in runs:
        assert (await accounts.run_use(run_of(run))).total == ModelUse(cached=20)
    assert not caplog.records  # a write that PostgreSQL gave up to end a deadlock is done again


async def test_accounts_go_with_the_collection(
    pool: asyncpg.Pool, accounts: PostgresModelAccounts, payer: Payer
) -> None:
    async with counting_known(pool) as known:
        known.count(payer, question(1))
    await PostgresCatalog(pool).delete_collection(payer.key)
    assert await accounts.run_use(run_of(payer)) == RunModelUse()
