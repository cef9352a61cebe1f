"""A request with an Idempotency-Key whose sender was never answered comes again: the run that it
started is its answer, and no other is started or paid for."""

import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import asyncpg
import pytest
from temporalio.client import Client

from graphmill.application.idempotency import Idempotency
from graphmill.application.run_workflows import RunHandle
from graphmill.application.runs import Runs, RunUnderWay
from graphmill.index_request import IndexRequest
from graphmill.models import CollectionKey
from graphmill.stores.postgres.idempotency import PostgresIdempotency
from tests.unit.application.test_runs import (
    client,
    closed,
    end,
    key,
    open_row,
    runs,
    worker,
)

__all__ = ["client", "key", "runs", "worker"]


@pytest.fixture
def idempotency(pool: asyncpg.Pool) -> Idempotency:
    answers = PostgresIdempotency(pool)
    return Idempotency(answers, answers)


@pytest.mark.parametrize("options", [{"force_rebuild": True}, {"budget_usd": 1.5}, {}])
@pytest.mark.parametrize("ended", [False, True])
async def test_after_a_crash_before_the_answer_the_run_is_found(
    idempotency: Idempotency,
    runs: Runs,
    client: Client,
    key: CollectionKey,
    worker: None,
    options: dict[str, bool | float],
    ended: bool,
) -> None:
    asked = replace(IndexRequest(key.name), **options)
    started: list[RunHandle] = []

    async def start_and_die(claim: UUID) -> bytes:
        started.append(await runs.start(asked, claim=claim))
        raise asyncio.CancelledError  # Temporal has it, and nobody hears so

    with pytest.raises(asyncio.CancelledError):
        await idempotency.once("default", "k", b"index", start_and_die)
    if ended:
        await end(client, started[0], "done")
        await closed(client, started[0])

    async def start(claim: UUID) -> bytes:
        started.append(await runs.start(asked, claim=claim))
        return started[-1].run_id.encode()

    answer, before = await idempotency.once("default", "k", b"index", start)
    assert (answer.decode(), before) == (started[0].run_id, False)
    assert started[1] == started[0]
    assert await idempotency.once("default", "k", b"index", start) == (answer, True)


async def test_a_run_that_goes_on_as_new_is_found(
    runs: Runs, client: Client, key: CollectionKey, worker: None
) -> None:
    claim = uuid4()
    run = await runs.start(IndexRequest(key.name, budget_usd=1), claim=claim)
    await end(client, run, "go on")
    handle = client.get_workflow_handle(run.workflow_id)
    async with asyncio.timeout(10):
        while (await handle.describe()).run_id == run.run_id:
            await asyncio.sleep(0.02)
    assert await runs.start(IndexRequest(key.name, budget_usd=1), claim=claim) == run


async def test_the_run_of_another_request_is_none_of_its_own(
    runs: Runs, client: Client, key: CollectionKey, worker: None
) -> None:
    run = await runs.start(IndexRequest(key.name), claim=uuid4())
    for claim in (None, uuid4()):
        with pytest.raises(RunUnderWay):
            await runs.start(IndexRequest(key.name, force_rebuild=True), claim=claim)
    assert (await runs.start(IndexRequest(key.name), claim=uuid4())).joined
    await end(client, run, "done")
    await closed(client, run)
    other = await runs.start(IndexRequest(key.name), claim=uuid4())
    assert (other.run_id != run.run_id, other.joined) == (True, False)


async def test_of_two_at_once_neither_is_refused(
    runs: Runs, key: CollectionKey, worker: None
) -> None:
    claim = uuid4()
    both = await asyncio.gather(
        *(runs.start(IndexRequest(key.name, budget_usd=1), claim=claim) for _ in range(2))
    )
    assert both[0].run_id == both[1].run_id


async def test_a_retry_with_a_budget_finds_its_own_run(
    runs: Runs, pool: asyncpg.Pool, client: Client, key: CollectionKey, worker: None
) -> None:
    first = await runs.start(IndexRequest(key.name))
    await open_row(pool, first)
    await end(client, first, "done")
    await closed(client, first)
    claim = uuid4()
    retried = await runs.retry(first, budget_usd=1.5, claim=claim)
    again = await runs.retry(first, budget_usd=1.5, claim=claim)
    assert again.run == retried.run
    with pytest.raises(RunUnderWay):
        await runs.retry(first, budget_usd=1.5, claim=uuid4())
    await end(client, retried.run, "done")
    await closed(client, retried.run)
    assert (await runs.retry(first, budget_usd=1.5, claim=claim)).run == retried.run
