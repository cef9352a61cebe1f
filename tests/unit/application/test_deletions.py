"""Deleting documents, as callers see it; over a real database and a real Temporal server."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg
import pytest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.deletions import DeletionActivities
from graphmill.application import deletions
from graphmill.application.deletions import Deletions
from graphmill.deletions import BATCH, MOST_DOCUMENTS, Run, StartedRun
from graphmill.errors import InvalidRequest, NotFound, Unavailable
from graphmill.ids import document_id
from graphmill.messages import TASK_QUEUE
from graphmill.models import CollectionKey
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.deletion import PostgresDeletion
from tests.support.documents_in_memory import small_document
from workflows.delete_documents import DeleteDocuments
from workflows.queues import STORE_QUEUE


class Runs:
    """Starts none."""

    def __init__(self, client: Client) -> None:
        pass

    async def start_as_before(self, key: CollectionKey) -> Run:
        return StartedRun("run", f"index/{key.tenant}/{key.name}", joined=True)


@pytest.fixture
async def client(temporal_address: str) -> Client:
    return await Client.connect(temporal_address)


@pytest.fixture
async def workers(client: Client, pool: asyncpg.Pool) -> AsyncIterator[None]:
    activities = DeletionActivities(PostgresDeletion(pool), Runs)
    async with (
        Worker(
            client,
            task_queue=TASK_QUEUE,
            workflows=[DeleteDocuments],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ),
        Worker(
            client,
            task_queue=STORE_QUEUE,
            activities=[
                activities.check_documents,
                activities.delete_documents,
                activities.start_run,
            ],
        ),
    ):
        yield


@pytest.fixture
def key() -> CollectionKey:
    """Of the test's own: the Temporal server is the session's."""
    return CollectionKey("default", f"c-{uuid4().hex}")


async def upload(pool: asyncpg.Pool, key: CollectionKey, count: int) -> list[UUID]:
    names = [f"{number}.txt" for number in range(count)]
    catalog = PostgresCatalog(pool)
    await catalog.create_collection(key)
    await catalog.upload(key, [small_document(name, name) for name in names])
    return [document_id(name) for name in names]


async def names(pool: asyncpg.Pool, key: CollectionKey) -> tuple[str, ...]:
    return await PostgresCatalog(pool).all_names(key)


@pytest.mark.usefixtures("workers")
async def test_documents_are_deleted_and_the_run_is_told(
    client: Client, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    ids = await upload(pool, key, 3)
    run = await Deletions(client, PostgresDeletion(pool)).delete(key, ids[:2])
    assert (run.run_id, run.workflow_id, run.joined) == ("run", f"index/default/{key.name}", True)
    assert await names(pool, key) == ("2.txt",)


async def test_what_is_wrong_is_said_before_anything_is_asked_of_temporal(
    pool: asyncpg.Pool, key: CollectionKey
) -> None:
    ids = await upload(pool, key, 2)
    asked = Deletions(None, PostgresDeletion(pool))
    with pytest.raises(NotFound, match=f"no document {UUID(int=1)}"):
        await asked.delete(key, [*ids, UUID(int=1)])
    for wrong in ([], [uuid4() for _ in range(MOST_DOCUMENTS + 1)]):
        with pytest.raises(InvalidRequest, match="expected are 1 to 10,000"):
            await asked.delete(key, wrong)
    with pytest.raises(Unavailable, match="nothing is deleted: this needs Temporal"):
        await asked.delete(key, ids)
    assert len(await names(pool, key)) == 2


async def test_where_no_worker_runs_it_says_that_it_is_under_way(
    client: Client, pool: asyncpg.Pool, key: CollectionKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await upload(pool, key, 1)
    monkeypatch.setattr(deletions, "_WAIT_SECONDS", 0.3)
    with pytest.raises(Unavailable, match=f"workflow delete/default/{key.name}/"):
        await Deletions(client, PostgresDeletion(pool)).delete(key, ids)
    async for left in client.list_workflows(f"GraphmillCollection = '{key.name}'"):
        await client.get_workflow_handle(left.id).terminate()


async def test_what_is_pruned_goes_in_batches_and_done_again_the_rest_goes(
    pool: asyncpg.Pool, key: CollectionKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletions, "BATCH", 2)
    assert BATCH == 500
    await upload(pool, key, 6)
    gone = [f"{number}.txt" for number in range(5)]
    store = PostgresDeletion(pool)
    taken: list[int] = []

    class Killed(PostgresDeletion):
        """After two batches."""

        async def delete(
            self, key: CollectionKey, ids: Sequence[UUID], uploaded_until: datetime | None = None
        ) -> int:
            if len(taken) == 2:
                raise RuntimeError
            taken.append(await store.delete(key, ids))
            return taken[-1]

    with pytest.raises(RuntimeError):
        await Deletions(None, Killed(pool)).prune(key, gone)
    assert taken == [2, 2]
    assert await names(pool, key) == ("4.txt", "5.txt")
    await Deletions(None, store).prune(key, gone)
    assert await names(pool, key) == ("5.txt",)
