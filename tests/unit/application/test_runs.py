"""Runs are started, joined, watched and ended through Temporal; PostgreSQL says how they stand.

A stand-in under the real name does what a test tells it to.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from graphmill.application.documents import Documents
from graphmill.application.run_workflows import RunEnded, RunHandle, RunWorkflows
from graphmill.application.runs import Runs, RunUnderWay
from graphmill.errors import InvalidRequest, NotFound, Unavailable
from graphmill.ids import document_id
from graphmill.index_request import (
    ADD_DOCUMENTS,
    INDEX_COLLECTION,
    PAUSE,
    RESUME,
    IndexRequest,
)
from graphmill.messages import TASK_QUEUE
from graphmill.models import CollectionKey, Method, Phase, RunState
from graphmill.priority_settings import PrioritySettings
from graphmill.run_status import RunStatus
from graphmill.search_attributes import COLLECTION, TENANT
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.status import PostgresRunStatus


@workflow.defn(name=INDEX_COLLECTION)
class StandIn:
    """Runs until it is told how to end, and remembers its signals."""

    def __init__(self) -> None:
        self._signals: list[str] = []
        self._end = ""

    @workflow.run
    async def run(self, input: dict[str, Any]) -> str:
        await workflow.wait_condition(lambda: bool(self._end))
        if self._end == "fail":
            raise ApplicationError("it cannot be done", non_retryable=True)
        if self._end == "go on":
            workflow.continue_as_new(input)
        return self._end

    @workflow.signal
    def end(self, how: str) -> None:
        self._end = how

    @workflow.signal(name=ADD_DOCUMENTS)
    def add_documents(self) -> None:
        self._signals.append(ADD_DOCUMENTS)

    @workflow.signal(name=PAUSE)
    def pause(self) -> None:
        self._signals.append(PAUSE)

    @workflow.signal(name=RESUME)
    def resume(self) -> None:
        self._signals.append(RESUME)

    @workflow.query
    def signals(self) -> list[str]:
        return self._signals


@pytest.fixture
async def client(temporal_address: str) -> Client:
    return await Client.connect(temporal_address)


@pytest.fixture
async def worker(client: Client) -> AsyncIterator[None]:
    async with Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[StandIn],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield


@pytest.fixture
async def key(pool: asyncpg.Pool, client: Client) -> AsyncIterator[CollectionKey]:
    """A collection of the test's own: the Temporal server is the session's."""
    key = CollectionKey("default", f"c-{uuid4().hex}")
    await PostgresCatalog(pool).create_collection(key)
    yield key
    handle = client.get_workflow_handle(f"index/default/{key.name}")
    try:
        if (await handle.describe()).status is WorkflowExecutionStatus.RUNNING:
            await handle.terminate("the test ended")
    except Exception:
        return  # it never started


@pytest.fixture
def runs(pool: asyncpg.Pool, client: Client) -> Runs:
    return made(pool, client)


def made(pool: asyncpg.Pool, client: Client | None) -> Runs:
    catalog = PostgresCatalog(pool)
    return Runs(client, catalog, Documents(catalog), PostgresRunStatus(pool))


async def open_row(pool: asyncpg.Pool, run: RunHandle, state: str = "running") -> None:
    """What a worker writes when it opens a run."""
    await pool.execute(
        "INSERT INTO runs (id, tenant, collection, workflow_id, method, state, phase)"
        " VALUES ($1, $2, $3, $4, 'fast', $5, 'documents')",
        UUID(run.run_id),
        run.tenant,
        run.collection,
        run.workflow_id,
        state,
    )


async def asked_for(client: Client, run: RunHandle) -> dict[str, Any]:
    """What a run was started with."""
    handle = client.get_workflow_handle(run.workflow_id, run_id=run.run_id)
    async for event in handle.fetch_history_events():
        payloads = event.workflow_execution_started_event_attributes.input.payloads
        (value,) = await client.data_converter.decode(payloads)
        return value
    raise AssertionError("a history begins with the start")


async def end(client: Client, run: RunHandle, how: str) -> None:
    await client.get_workflow_handle(run.workflow_id).signal("end", how)


async def closed(client: Client, run: RunHandle) -> None:
    handle = client.get_workflow_handle(run.workflow_id)
    async with asyncio.timeout(10):
        while (await handle.describe()).status is WorkflowExecutionStatus.RUNNING:
            await asyncio.sleep(0.02)


async def test_a_run_carries_what_people_find_it_by(
    runs: Runs, client: Client, key: CollectionKey, worker: None
) -> None:
    run = await runs.start(IndexRequest(key.name, priority=4))
    assert run.workflow_id == f"index/default/{key.name}"
    assert not run.joined
    described = await client.get_workflow_handle(run.workflow_id).describe()
    assert described.run_id == run.run_id
    assert described.typed_search_attributes[TENANT] == "default"
    assert described.typed_search_attributes[COLLECTION] == key.name
    assert await described.static_summary() == f"index {key.name} (default)"
    priority = described.raw_description.workflow_execution_info.priority
    assert (priority.priority_key, priority.fairness_key) == (4, "default")


async def test_a_priority_before_everybody_elses_is_refused_where_it_is_not_allowed(
    pool: asyncpg.Pool, client: Client, runs: Runs, key: CollectionKey
) -> None:
    """Levels are strict: whoever could ask for 1 would keep all other tenants waiting."""
    catalog = PostgresCatalog(pool)
    allowed = Runs(
        client,
        catalog,
        Documents(catalog),
        PostgresRunStatus(pool),
        PrioritySettings(highest=2),
    )
    with pytest.raises(InvalidRequest, match="best that may be asked for here is 2"):
        await allowed.start(IndexRequest(key.name, priority=1))
    assert not (await allowed.start(IndexRequest(key.name, priority=2))).joined
    assert (await runs.start(IndexRequest(key.name, priority=5))).joined


async def test_a_second_start_joins_the_run_and_tells_it_of_new_documents(
    runs: Runs, client: Client, key: CollectionKey, worker: None
) -> None:
    first = await runs.start(IndexRequest(key.name))
    second = await runs.start(IndexRequest(key.name))
    assert (second.run_id, second.joined) == (first.run_id, True)
    signals = await client.get_workflow_handle(first.workflow_id).query("signals")
    assert signals == [ADD_DOCUMENTS, ADD_DOCUMENTS]


async def test_a_run_keeps_its_id_when_it_goes_on_as_new(
    runs: Runs, client: Client, key: CollectionKey, worker: None
) -> None:
    first = await runs.start(IndexRequest(key.name))
    await end(client, first, "go on")
    handle = client.get_workflow_handle(first.workflow_id)
    async with asyncio.timeout(10):
        while (await handle.describe()).run_id == first.run_id:
            await asyncio.sleep(0.02)
    assert (await runs.start(IndexRequest(key.name))).run_id == first.run_id


async def test_a_rebuild_does_not_join_a_run_that_would_not_do_it(
    runs: Runs, client: Client, key: CollectionKey, worker: None
) -> None:
    run = await runs.start(IndexRequest(key.name))
    with pytest.raises(RunUnderWay, match="is under way"):
        await runs.start(IndexRequest(key.name, force_rebuild=True))
    await end(client, run, "done")
    await closed(client, run)
    assert not (await runs.start(IndexRequest(key.name, force_rebuild=True))).joined


async def test_a_collection_that_is_not_there_is_not_indexed(runs: Runs) -> None:
    with pytest.raises(NotFound):
        await runs.start(IndexRequest("nothing"))


async def test_a_run_that_no_worker_has_opened_is_starting_and_can_be_found(
    runs: Runs, key: CollectionKey
) -> None:
    run = await runs.start(IndexRequest(key.name))
    async with asyncio.timeout(10):  # Temporal's visibility follows a moment later
        while True:
            try:
                found = await runs.find("default", run.run_id)
                break
            except NotFound:
                await asyncio.sleep(0.05)
    assert (found.run_id, found.collection) == (run.run_id, key.name)
    with pytest.raises(NotFound):
        await runs.find("other", run.run_id)
    status = await runs.status(found)
    assert (status.state, status.phase) == (RunState.RUNNING, Phase.STARTING)


async def test_a_collections_run_is_the_one_under_way_even_before_a_worker_has_opened_it(
    runs: Runs, pool: asyncpg.Pool, client: Client, worker: None, key: CollectionKey
) -> None:
    first = await runs.start(IndexRequest(key.name))
    await open_row(pool, first, "completed")
    await end(client, first, "completed")
    await closed(client, first)
    second = await runs.start(IndexRequest(key.name))
    assert (await runs.find(key.tenant, key.name)).run_id == second.run_id
    assert (await runs.find(key.tenant, first.run_id)).run_id == first.run_id


async def test_waiting_ends_with_the_run_and_tells_its_failures(
    runs: Runs, pool: asyncpg.Pool, client: Client, key: CollectionKey, worker: None
) -> None:
    run = await runs.start(IndexRequest(key.name))
    await open_row(pool, run)
    await pool.execute(
        "INSERT INTO documents (tenant, collection, id, name, version, size, creation_date, state,"
        " reason) VALUES ('default', $1, $2, 'a', '', 0, now(), 'failed', 'corrupt: x')",
        key.name,
        document_id("a"),
    )
    seen: list[RunState] = []
    failures = 0
    async for status in runs.wait(run):
        seen.append(status.state)
        failures = len(status.failures)
        if len(seen) == 2:
            await end(client, run, "done")
            await closed(client, run)
            await pool.execute("UPDATE runs SET state = 'completed_with_failures'")
    assert seen[:2] == [RunState.RUNNING, RunState.RUNNING]
    assert seen[-1] is RunState.COMPLETED_WITH_FAILURES
    assert failures == 1


async def test_whoever_waits_hears_of_the_end_however_slow_a_look_was(
    runs: Runs,
    pool: asyncpg.Pool,
    client: Client,
    key: CollectionKey,
    worker: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("graphmill.application.runs._LONGEST_POLL_SECONDS", 0.5, raising=False)
    run = await runs.start(IndexRequest(key.name))
    await open_row(pool, run)
    look = PostgresRunStatus.status

    async def slow(self: PostgresRunStatus, run_id: UUID, with_failures: bool) -> RunStatus:
        await asyncio.sleep(1)
        return await look(self, run_id, with_failures)

    monkeypatch.setattr(PostgresRunStatus, "status", slow)
    waiting = runs.wait(run)
    assert (await anext(waiting)).state is RunState.RUNNING
    await end(client, run, "done")
    await closed(client, run)
    await pool.execute("UPDATE runs SET state = 'completed'")
    async with asyncio.timeout(6):  # a tenth of the time would be ten seconds
        assert [status.state async for status in waiting] == [RunState.COMPLETED]


async def test_waiting_goes_on_while_a_run_that_wrote_its_end_takes_in_what_just_came(
    runs: Runs, pool: asyncpg.Pool, client: Client, key: CollectionKey, worker: None
) -> None:
    run = await runs.start(IndexRequest(key.name))
    await open_row(pool, run, "completed")

    async def last() -> RunState:
        return [status.state async for status in runs.wait(run)][-1]

    waiting = asyncio.create_task(last())
    await asyncio.sleep(1)
    assert not waiting.done()
    await end(client, run, "done")
    async with asyncio.timeout(10):
        assert await waiting is RunState.COMPLETED


@pytest.mark.parametrize("opened", [True, False])
async def test_a_run_that_failed_in_temporal_is_told_instead_of_waited_for(
    runs: Runs, pool: asyncpg.Pool, client: Client, key: CollectionKey, worker: None, opened: bool
) -> None:
    run = await runs.start(IndexRequest(key.name))
    if opened:
        await open_row(pool, run)
    await end(client, run, "fail")
    await closed(client, run)
    async with asyncio.timeout(20):
        last = [status async for status in runs.wait(run)][-1]
    assert (last.state, last.reason) == (RunState.FAILED, "it cannot be done")
    if opened:
        assert await pool.fetchval("SELECT state FROM runs") == "failed"


async def test_a_terminated_run_is_told(
    runs: Runs, pool: asyncpg.Pool, client: Client, key: CollectionKey, worker: None
) -> None:
    run = await runs.start(IndexRequest(key.name))
    await open_row(pool, run)
    await client.get_workflow_handle(run.workflow_id).terminate()
    status = await runs.status(run)
    assert status.state is RunState.FAILED
    assert "terminated from outside" in status.reason


async def test_however_many_ask_how_a_run_stands_temporal_is_asked_once(
    runs: Runs,
    pool: asyncpg.Pool,
    key: CollectionKey,
    worker: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = await runs.start(IndexRequest(key.name))
    await open_row(pool, run)
    asked = 0
    ask = RunWorkflows.end_without_word

    async def slow(self: RunWorkflows, run: RunHandle) -> str | None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(1.2)  # longer than it is told again
        return await ask(self, run)

    monkeypatch.setattr(RunWorkflows, "end_without_word", slow)
    states = await asyncio.gather(*(runs.status(run) for _ in range(20)))
    assert (await runs.status(run)).state is RunState.RUNNING
    assert ({state.state for state in states}, asked) == ({RunState.RUNNING}, 1)


async def test_a_run_whose_place_was_taken_is_not_under_way(
    runs: Runs, pool: asyncpg.Pool, client: Client, key: CollectionKey, worker: None
) -> None:
    old = await runs.start(IndexRequest(key.name))
    await open_row(pool, old)
    await client.get_workflow_handle(old.workflow_id).terminate()
    await runs.start(IndexRequest(key.name))
    status = await runs.status(old)
    assert status.state is RunState.FAILED
    assert "a later run" in status.reason


async def test_what_was_asked_for_reaches_the_run_and_its_words(
    runs: Runs, client: Client, key: CollectionKey, worker: None
) -> None:
    run = await runs.start(
        IndexRequest(key.name, method=Method.STANDARD, budget_usd=2.5, batch=True)
    )
    told = await asked_for(client, run)
    assert (told["method"], told["budget_usd"], told["batch"]) == ("standard", 2.5, True)
    described = await client.get_workflow_handle(run.workflow_id).describe()
    assert (
        await described.static_details() == "method standard, priority 3, budget $2.5, in batches"
    )


async def test_who_says_no_method_leaves_it_to_the_run(
    runs: Runs, client: Client, key: CollectionKey, worker: None
) -> None:
    run = await runs.start(IndexRequest(key.name))
    assert "method" not in await asked_for(client, run)
    described = await client.get_workflow_handle(run.workflow_id).describe()
    assert "standard where a model endpoint is set" in (await described.static_details() or "")


async def test_a_run_that_would_do_something_else_is_not_joined(
    runs: Runs, pool: asyncpg.Pool, key: CollectionKey, worker: None
) -> None:
    run = await runs.start(IndexRequest(key.name))
    with pytest.raises(RunUnderWay, match="would not keep to this budget"):
        await runs.start(IndexRequest(key.name, budget_usd=1))
    assert (await runs.start(IndexRequest(key.name, method=Method.STANDARD))).joined
    await open_row(pool, run)
    with pytest.raises(RunUnderWay, match="reads by method fast, not standard"):
        await runs.start(IndexRequest(key.name, method=Method.STANDARD))
    assert (await runs.start(IndexRequest(key.name, method=Method.FAST))).joined
    with pytest.raises(RunUnderWay, match="does not ask in batches"):
        await runs.start(IndexRequest(key.name, batch=True))
    await pool.execute("UPDATE runs SET batch = true WHERE id = $1", UUID(run.run_id))
    assert (await runs.start(IndexRequest(key.name, batch=True))).joined
    assert (await runs.start(IndexRequest(key.name))).joined


async def test_documents_leave_the_graph_by_the_method_of_the_last_run(
    runs: Runs, pool: asyncpg.Pool, client: Client, key: CollectionKey, worker: None
) -> None:
    first = await runs.start_as_before(key)
    assert "method" not in await asked_for(client, first)
    await open_row(pool, first)
    await end(client, first, "done")
    await closed(client, first)
    later = await runs.start_as_before(key)
    assert later.run_id != first.run_id
    assert (await asked_for(client, later))["method"] == "fast"


@pytest.mark.parametrize(
    ("budget", "state", "left"),
    [
        (None, "completed", None),
        (5_000_000_000, "completed", 3.75),
        (1_000_000_000, "completed", 0),  # the last calls cost more than they were taken for
        (5_000_000_000, "over_budget", 0),
    ],
)
async def test_what_nobody_asked_to_be_read_is_paid_for_from_the_last_budget_at_most(
    runs: Runs,
    pool: asyncpg.Pool,
    client: Client,
    key: CollectionKey,
    worker: None,
    budget: int | None,
    state: str,
    left: float | None,
) -> None:
    """A deletion after a run that is over its budget would pay for all documents that wait."""
    first = await runs.start_as_before(key)
    await open_row(pool, first, state)
    await pool.execute("UPDATE runs SET budget_nano_usd = $1", budget)
    await pool.execute(
        "INSERT INTO model_accounts (run_id, step, model, slot, tenant, collection, nano_usd)"
        " SELECT $1, step, 'a-model', 0, 'default', $2, 625000000"
        " FROM unnest(ARRAY['extract', 'embed']) AS step",
        UUID(first.run_id),
        key.name,
    )
    assert (await runs.start_as_before(key)).joined  # whatever is left of its budget
    await end(client, first, "done")
    await closed(client, first)
    later = await runs.start_as_before(key)
    assert (await asked_for(client, later)).get("budget_usd") == left
    await end(client, later, "done")
    await closed(client, later)
    afresh = await asked_for(client, await runs.find_communities_afresh(key))
    assert (afresh.get("budget_usd"), afresh["recluster"]) == (left, True)


async def test_what_nobody_asked_to_be_read_joins_a_run_of_any_method(
    pool: asyncpg.Pool, client: Client, key: CollectionKey, worker: None
) -> None:
    """One that began in between, after the method of the last run was looked up, must not make a
    deletion fail when the documents are gone."""

    class OfARunBefore(PostgresRunStatus):
        async def last_method(self, key: CollectionKey) -> Method | None:
            return Method.STANDARD

    catalog = PostgresCatalog(pool)
    runs = Runs(client, catalog, Documents(catalog), OfARunBefore(pool))
    run = await runs.start(IndexRequest(key.name, method=Method.FAST))
    await open_row(pool, run)
    joined = await runs.start_as_before(key)
    assert (joined.run_id, joined.joined) == (run.run_id, True)
    assert (await runs.retry(run)).run.joined
    with pytest.raises(RunUnderWay, match="would not find communities afresh"):
        await runs.find_communities_afresh(key)


async def test_pause_and_resume_reach_the_run(
    runs: Runs, pool: asyncpg.Pool, client: Client, key: CollectionKey, worker: None
) -> None:
    run = await runs.start(IndexRequest(key.name))
    await open_row(pool, run)
    found = await runs.find("default", key.name)
    await runs.pause(found)
    await runs.resume(found)
    signals = await client.get_workflow_handle(run.workflow_id).query("signals")
    assert signals == [ADD_DOCUMENTS, PAUSE, RESUME]


async def test_cancel_ends_the_run(
    runs: Runs, pool: asyncpg.Pool, client: Client, key: CollectionKey, worker: None
) -> None:
    run = await runs.start(IndexRequest(key.name))
    await open_row(pool, run)
    await runs.cancel(run)
    await closed(client, run)
    described = await client.get_workflow_handle(run.workflow_id).describe()
    assert described.status is WorkflowExecutionStatus.CANCELED


async def test_a_run_that_has_ended_takes_no_orders(
    runs: Runs, pool: asyncpg.Pool, client: Client, key: CollectionKey, worker: None
) -> None:
    run = await runs.start(IndexRequest(key.name))
    await open_row(pool, run)
    await end(client, run, "done")
    await closed(client, run)
    for order in (runs.pause, runs.resume, runs.cancel):
        with pytest.raises(RunEnded, match="has ended"):
            await order(run)
    await pool.execute("UPDATE runs SET state = 'completed'")
    with pytest.raises(RunEnded, match=r"has ended \(completed\)"):
        await runs.pause(run)


async def test_retry_puts_the_failed_in_line_and_starts_a_run(
    runs: Runs, pool: asyncpg.Pool, client: Client, key: CollectionKey, worker: None
) -> None:
    run = await runs.start(IndexRequest(key.name))
    await open_row(pool, run)
    await end(client, run, "done")
    await closed(client, run)
    await pool.execute("UPDATE runs SET state = 'completed_with_failures'")
    await pool.execute(
        "INSERT INTO documents (tenant, collection, id, name, version, size, creation_date, state)"
        " VALUES ('default', $1, $2, 'a', '', 0, now(), 'failed')",
        key.name,
        document_id("a"),
    )
    await pool.execute(
        "INSERT INTO embedding_gaps SELECT 'default', $1, 'entity_description', 'a-model',"
        " gen_random_uuid(), reason FROM unnest(ARRAY['refused', '']) AS reason",
        key.name,
    )
    await pool.execute(
        "WITH made AS (INSERT INTO graphs (tenant, collection, digest, embedding_model)"
        " VALUES ('default', $1, '', 'a-model') RETURNING id), shown AS ("
        "UPDATE collections SET graph_id = id FROM made WHERE name = $1)"
        " INSERT INTO model_gaps SELECT id, kind, gen_random_uuid(), 'refused', 'default'"
        " FROM made, unnest(ARRAY['report', 'summary']) AS kind",
        key.name,
    )
    await pool.execute("UPDATE runs SET method = 'standard'")
    retried = await runs.retry(await runs.find("default", run.run_id))
    # What has the vector of its beginning is not asked for again.
    assert (retried.documents, retried.texts, retried.answers) == (1, 1, 2)
    # By the method of the last run.
    assert (await asked_for(client, retried.run))["method"] == "standard"
    assert retried.run.run_id != run.run_id
    assert await pool.fetchval("SELECT state FROM documents") == "pending"


async def test_a_retry_with_a_budget_joins_no_run_that_would_not_keep_to_it(
    runs: Runs, pool: asyncpg.Pool, client: Client, key: CollectionKey, worker: None
) -> None:
    run = await runs.start(IndexRequest(key.name))
    await open_row(pool, run)
    await pool.execute(
        "INSERT INTO documents (tenant, collection, id, name, version, size, creation_date, state)"
        " VALUES ('default', $1, $2, 'a', '', 0, now(), 'failed')",
        key.name,
        document_id("a"),
    )
    with pytest.raises(RunUnderWay, match="budget"):
        await runs.retry(run, budget_usd=1.5)
    assert await pool.fetchval("SELECT state FROM documents") == "failed"
    await end(client, run, "done")
    await closed(client, run)
    retried = await runs.retry(run, budget_usd=1.5)
    assert (await asked_for(client, retried.run))["budget_usd"] == 1.5
    with pytest.raises(InvalidRequest, match="budget_usd is -1"):
        await runs.retry(run, budget_usd=-1)


async def test_a_collections_run_is_over_before_it_is_deleted(
    runs: Runs, client: Client, key: CollectionKey, worker: None
) -> None:
    run = await runs.start(IndexRequest(key.name))
    await runs.cancel_collection(key)
    described = await client.get_workflow_handle(run.workflow_id).describe()
    assert described.status is WorkflowExecutionStatus.CANCELED
    await runs.cancel_collection(key)  # nothing is left to end
    await runs.cancel_collection(CollectionKey("default", "never-indexed"))


async def test_a_server_that_is_away_is_told_in_plain_words(
    pool: asyncpg.Pool, key: CollectionKey
) -> None:
    away = await Client.connect("127.0.0.1:1", lazy=True)
    with pytest.raises(Unavailable, match="Temporal does not answer"):
        await made(pool, away).start(IndexRequest(key.name))
    with pytest.raises(Unavailable, match="needs Temporal"):
        await made(pool, None).start(IndexRequest(key.name))


async def test_what_postgresql_knows_is_told_while_temporal_is_away(
    runs: Runs, pool: asyncpg.Pool, key: CollectionKey, worker: None
) -> None:
    run = await runs.start(IndexRequest(key.name))
    await open_row(pool, run)
    away = await Client.connect("127.0.0.1:1", lazy=True)
    assert (await made(pool, away).status(run)).state is RunState.RUNNING


async def test_who_waits_is_told_when_temporal_stays_away(
    runs: Runs,
    pool: asyncpg.Pool,
    key: CollectionKey,
    worker: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("graphmill.application.runs._CHECK_SECONDS", 0.1)
    monkeypatch.setattr("graphmill.application.runs._OUTAGE_SECONDS", 1.0)
    run = await runs.start(IndexRequest(key.name))
    await open_row(pool, run)
    away = made(pool, await Client.connect("127.0.0.1:1", lazy=True))
    async with asyncio.timeout(30):
        with pytest.raises(Unavailable, match="Temporal does not answer"):
            _ = [status async for status in away.wait(run)]
