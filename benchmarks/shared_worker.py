"""The worker of the experiment: `python -m benchmarks.shared_worker` until SIGTERM."""

import asyncio
import signal

from temporalio.client import Client
from temporalio.worker import Worker

from activities.documents import DocumentActivities
from benchmarks.shared_workflow import QUEUE, BatchActivities, IndexShared
from graphmill.process_pool import ProcessPool
from graphmill.processing import recipe
from graphmill.settings import load_settings
from graphmill.stores.postgres.database import open_pool
from graphmill.stores.postgres.indexing import PostgresIndexingStore


async def main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = load_settings()
    assert settings.temporal_address is not None
    assert settings.database_url is not None
    client = await Client.connect(settings.temporal_address)
    pool = await open_pool(settings.database_url, settings.database_connections)
    processes = ProcessPool(
        settings.cpu_workers,
        settings.cpu_tasks_per_process,
        settings.limits.parse_memory_bytes,
        preload=("graphmill.processing_preload",),
    )
    documents = DocumentActivities(PostgresIndexingStore(pool), processes, settings.limits, recipe)
    async with Worker(
        client,
        task_queue=QUEUE,
        workflows=[IndexShared],
        activities=[BatchActivities(documents).process_documents],
        # As the cpu role: what runs, and two ahead.
        max_concurrent_activities=settings.cpu_workers + 2,
    ):
        await stop.wait()
    await processes.close()
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main())
