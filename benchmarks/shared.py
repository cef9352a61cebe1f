"""What a document costs where many share a workflow, and where activities do nothing at all."""

import asyncio
import os
import sys
import time
from pathlib import Path
from uuid import UUID

from temporalio.client import Client

from benchmarks.shared_workflow import QUEUE, Batch, IndexShared, SharedPage
from benchmarks.workloads import Workload
from graphmill.application.graphmill import Graphmill
from graphmill.embedded.home import Addresses
from graphmill.index_request import INDEX_COLLECTION, IndexRequest
from graphmill.messages import TASK_QUEUE, Recipe, RunProgress
from graphmill.models import CollectionKey, Method
from graphmill.settings import ChunkSettings
from graphmill.stores.postgres.database import open_pool
from graphmill.stores.postgres.indexing import PostgresIndexingStore
from tests.support.road import Road, working
from workflows.policies import OPEN_PAGES, PAGE_DOCUMENTS

_ROOT = Path(__file__).resolve().parent.parent


async def measure_shared(
    app: Graphmill, addresses: Addresses, workload: Workload, per_activity: int
) -> float:
    """Seconds for all documents, `per_activity` of them in each activity, a page in a workflow."""
    key = CollectionKey("default", f"shared-{per_activity}")
    await app.documents.upload(key, workload.uploads)
    assert addresses.temporal_address is not None
    client = await Client.connect(addresses.temporal_address)
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.shared_worker"),
        cwd=_ROOT,
        env={
            **os.environ,
            "TEMPORAL_ADDRESS": addresses.temporal_address,
            "DATABASE_URL": addresses.database_url,
        },
    )
    try:
        await _run_page(client, key, (), per_activity)  # until the worker is there
        began = time.monotonic()
        ids = await _plan(addresses.database_url, key)
        pages = [
            ids[start : start + PAGE_DOCUMENTS] for start in range(0, len(ids), PAGE_DOCUMENTS)
        ]
        open_pages = asyncio.Semaphore(OPEN_PAGES)

        async def run(page: tuple[UUID, ...]) -> int:
            async with open_pages:
                return await _run_page(client, key, page, per_activity)

        assert sum(await asyncio.gather(*map(run, pages))) == workload.documents
        return time.monotonic() - began
    finally:
        worker.terminate()
        await worker.wait()


async def _run_page(
    client: Client, key: CollectionKey, ids: tuple[UUID, ...], per_activity: int
) -> int:
    chunk = ChunkSettings()
    recipe = Recipe(Method.FAST, chunk.size, chunk.overlap)
    first = ids[0] if ids else "none"
    return await client.execute_workflow(
        IndexShared.run,
        SharedPage(Batch(key, recipe, ids), per_activity),
        id=f"shared/{key.name}/{first}",
        task_queue=QUEUE,
    )


async def _plan(url: str, key: CollectionKey) -> tuple[UUID, ...]:
    pool = await open_pool(url, 1)
    store = PostgresIndexingStore(pool)
    ids: list[UUID] = []
    after = 0
    while (page := await store.next_page(key, after, 500)).documents:
        ids += [waiting.id for waiting in page.documents]
        after = page.last
    await pool.close()
    return tuple(ids)


async def measure_empty(addresses: Addresses, documents: int) -> float:
    """Seconds of a run of as many documents whose activities do nothing: what Temporal costs."""
    assert addresses.temporal_address is not None
    client = await Client.connect(addresses.temporal_address)
    road = Road()
    road.add(*(f"{number:05}.txt" for number in range(documents)))
    async with working(client, road, cached_workflows=500):
        began = time.monotonic()
        await client.execute_workflow(
            INDEX_COLLECTION,
            IndexRequest("empty").to_json(),
            id="index/default/empty",
            task_queue=TASK_QUEUE,
            result_type=RunProgress,
        )
        return time.monotonic() - began
