"""Prompts are set, and drafted by a workflow, whose activity is a stand-in under the real name."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.worker import Worker

from activities.failures import FailureInterceptor
from graphmill.application import prompts as application
from graphmill.application.prompts import Prompts, TuningFailed
from graphmill.errors import InvalidRequest, NotFound, Unavailable
from graphmill.llm.budgets import OverBudget
from graphmill.models import CollectionKey
from graphmill.prompt_tuning import (
    TUNE_PROMPTS,
    DraftedPrompts,
    DraftPrompts,
    TuneRequest,
)
from graphmill.search_attributes import COLLECTION
from graphmill.standard.collection_prompts import CollectionPrompts
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.collection_prompts import PostgresPromptStore
from graphmill.stores.postgres.model_accounts import PostgresModelAccounts
from tests.support.waiting import until
from workflows.queues import LLM_QUEUE, WORKFLOW_QUEUE
from workflows.tune_prompts import TunePrompts

OWN = CollectionPrompts.of({"glean_graph": "Once more."}, {"entity_types": ["ship"]})


class Drafting:
    """Drafts OWN, fails with what it is told, or waits."""

    def __init__(self, store: PostgresPromptStore) -> None:
        self._store = store
        self.asked: list[DraftPrompts] = []
        self.fails: Exception | None = None
        self.waits = False

    @activity.defn(name="draft_prompts")
    async def draft_prompts(self, asked: DraftPrompts) -> DraftedPrompts:
        self.asked.append(asked)
        if self.fails:
            raise self.fails
        while self.waits:
            activity.heartbeat()
            await asyncio.sleep(0.1)
        await self._store.save_prompts(asked.key, OWN)
        return DraftedPrompts(OWN.version, 3, 1)


@pytest.fixture
async def client(temporal_address: str) -> Client:
    return await Client.connect(temporal_address)


@pytest.fixture
async def drafting(client: Client, pool: asyncpg.Pool) -> AsyncIterator[Drafting]:
    drafting = Drafting(PostgresPromptStore(pool))
    async with (
        Worker(client, task_queue=WORKFLOW_QUEUE, workflows=[TunePrompts]),
        Worker(
            client,
            task_queue=LLM_QUEUE,
            activities=[drafting.draft_prompts],
            interceptors=[FailureInterceptor(lambda _: False)],
        ),
    ):
        yield drafting


@pytest.fixture
async def key(pool: asyncpg.Pool) -> CollectionKey:
    """A collection of the test's own: the Temporal server is the session's."""
    key = CollectionKey("default", f"c-{uuid4().hex}")
    await PostgresCatalog(pool).create_collection(key)
    return key


def made(pool: asyncpg.Pool, client: Client | None) -> Prompts:
    return Prompts(client, PostgresPromptStore(pool), PostgresModelAccounts(pool))


async def test_what_is_set_is_in_force_until_it_is_reset_and_what_changed_is_told(
    pool: asyncpg.Pool, key: CollectionKey
) -> None:
    prompts = made(pool, None)
    assert await prompts.set(key, OWN) == ("glean_graph", "extraction")
    assert await prompts.show(key) == OWN
    assert await prompts.set(key, OWN) == ()
    less = CollectionPrompts.of(dict(OWN.texts))
    assert await prompts.set(key, less) == ("extraction",)
    assert await prompts.set(key, CollectionPrompts()) == ("glean_graph",)
    await prompts.set(key, OWN)
    await prompts.reset(key)
    assert await prompts.show(key) == CollectionPrompts()
    nowhere = CollectionKey("default", "nowhere")
    for call in (prompts.show(nowhere), prompts.set(nowhere, OWN), prompts.reset(nowhere)):
        with pytest.raises(NotFound):
            await call
    with pytest.raises(Unavailable, match="graphmill up"):
        await prompts.tune(key)


async def test_an_earlier_version_comes_back_by_its_name_and_what_each_changed_is_told(
    pool: asyncpg.Pool, key: CollectionKey
) -> None:
    prompts = made(pool, None)
    assert await prompts.history(key) == ()
    less = CollectionPrompts.of(dict(OWN.texts))
    for put in (less, OWN):
        await prompts.set(key, put)

    async def told() -> list[tuple[object, ...]]:
        return [(one.version, one.changed, one.in_force) for one in await prompts.history(key)]

    assert await told() == [
        (OWN.version, ("extraction",), True),
        (less.version, ("glean_graph",), False),
    ]
    assert await prompts.use(key, less.version[:6]) == (less, ("extraction",))
    assert await prompts.show(key) == less
    assert await told() == [
        (OWN.version, ("extraction",), False),
        (less.version, ("glean_graph",), True),
    ]
    assert await prompts.use(key, less.version) == (less, ())
    await prompts.reset(key)
    assert not any(one.in_force for one in await prompts.history(key))
    assert await prompts.load(key, OWN.version[:12]) == OWN
    for none in ("", "abc", "12345g", f"{OWN.version}0", "latest"):
        with pytest.raises(InvalidRequest, match="prompts history"):
            await prompts.use(key, none)
    with pytest.raises(NotFound, match="prompts history"):
        await prompts.use(key, "0" * 32)
    with pytest.raises(NotFound, match="does not exist"):
        await prompts.history(CollectionKey("default", "nowhere"))


async def test_no_more_of_a_history_is_read_than_is_told(
    pool: asyncpg.Pool, key: CollectionKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "MAX_VERSIONS", 2)
    prompts = made(pool, None)
    for words in ("One.", "Two.", "Three."):
        await prompts.set(key, CollectionPrompts.of({"glean_graph": words}))
    assert [one.changed for one in await prompts.history(key)] == [("glean_graph",)] * 2


async def test_a_draft_comes_from_the_workflow_and_is_not_in_force(
    pool: asyncpg.Pool, client: Client, drafting: Drafting, key: CollectionKey
) -> None:
    prompts = made(pool, client)
    draft = await prompts.tune(key, 5, 0.5)
    assert (draft.prompts, draft.text_units, draft.left_out) == (OWN, 3, 1)
    (asked,) = drafting.asked
    assert (asked.key, asked.sample, asked.budget_usd) == (key, 5, 0.5)
    assert await prompts.show(key) == CollectionPrompts()
    handle = client.get_workflow_handle(f"tune/default/{key.name}")
    described = await handle.describe()
    assert described.typed_search_attributes[COLLECTION] == key.name
    assert str(asked.tuning_id) == described.run_id
    for sample in (0, 65):
        with pytest.raises(InvalidRequest, match="1 to 64"):
            await prompts.tune(key, sample)
    with pytest.raises(InvalidRequest, match="budget_usd"):
        await prompts.tune(key, 5, -1)


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (InvalidRequest("nothing has been read"), InvalidRequest),
        (NotFound("it is gone"), NotFound),
        (OverBudget("it costs more"), TuningFailed),
    ],
)
async def test_why_there_is_no_draft_is_told_in_the_worker_s_words(
    raised: Exception,
    told: type[Exception],
    pool: asyncpg.Pool,
    client: Client,
    drafting: Drafting,
    key: CollectionKey,
) -> None:
    drafting.fails = raised
    with pytest.raises(told, match=str(raised)):
        await made(pool, client).tune(key)


async def test_a_draft_started_by_hand_is_made_of_the_collection_in_its_id_alone(
    client: Client, drafting: Drafting, key: CollectionKey
) -> None:
    for id in (f"tune/default/{key.name}", "mine"):
        with pytest.raises(WorkflowFailureError) as failed:
            await client.execute_workflow(
                TUNE_PROMPTS,
                TuneRequest(CollectionKey("other", key.name), 5).to_json(),
                id=id,
                task_queue=WORKFLOW_QUEUE,
            )
        assert f"it must be 'tune/other/{key.name}'" in str(failed.value.cause)
    assert drafting.asked == []


async def test_one_draft_of_a_collection_is_made_at_a_time_and_ends_with_who_waits(
    pool: asyncpg.Pool, client: Client, drafting: Drafting, key: CollectionKey
) -> None:
    drafting.waits = True
    prompts = made(pool, client)
    waiting = asyncio.ensure_future(prompts.tune(key))
    await until(lambda: bool(drafting.asked))
    with pytest.raises(TuningFailed, match=f"--workflow-id tune/default/{key.name}"):
        await prompts.tune(key)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    handle = client.get_workflow_handle(f"tune/default/{key.name}")

    async def ended() -> bool:
        return (await handle.describe()).status is WorkflowExecutionStatus.CANCELED

    await until(ended)
