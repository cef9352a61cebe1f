"""Documents are read, graphs are clustered, extractive reports are written."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg

from activities.communities import CommunityActivities
from activities.documents import DocumentActivities
from graphmill.database_connections import CPU_AHEAD
from graphmill.process_pool import ProcessPool
from graphmill.processing import recipe
from graphmill.settings import Settings
from graphmill.stores.postgres.graph import PostgresGraphStore
from graphmill.stores.postgres.indexing import PostgresIndexingStore
from workers.roles.large_process import process_for_large
from workers.served import Served
from workflows.queues import CPU_QUEUE


@asynccontextmanager
async def serve_cpu(pool: asyncpg.Pool, settings: Settings) -> AsyncGenerator[Served]:
    processes = ProcessPool(
        settings.cpu_workers,
        settings.cpu_tasks_per_process,
        settings.limits.parse_memory_bytes,
        preload=("graphmill.processing_preload",),
    )
    indexing = PostgresIndexingStore(pool)
    documents = DocumentActivities(indexing, processes, settings.limits, recipe)
    try:
        async with process_for_large() as large:
            communities = CommunityActivities(PostgresGraphStore(pool, settings.prune), large)
            yield Served(
                CPU_QUEUE,
                activities=(
                    documents.process_document,
                    communities.cluster_graph,
                    communities.write_reports,
                ),
                # A process that gets free finds work at hand.
                concurrent_activities=settings.cpu_workers + CPU_AHEAD,
            )
    finally:
        await processes.close()
