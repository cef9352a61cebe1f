"""The activity that resolves entities, as a worker does it."""

import asyncpg
from temporalio.testing import ActivityEnvironment

from activities.resolution import ResolutionActivities
from graphmill.embedding import LocalEmbedder
from graphmill.llm.caller import ModelCaller
from graphmill.messages import GraphRef
from graphmill.process_pool import ProcessPool
from graphmill.stores.postgres.options import PostgresOptionsStore
from graphmill.stores.postgres.resolutions import PostgresResolutionStore


async def resolve(pool: asyncpg.Pool, caller: ModelCaller, graph: GraphRef) -> int:
    processes = ProcessPool(1, 1, 2_000_000_000)
    activities = ResolutionActivities(
        PostgresResolutionStore(pool),
        PostgresOptionsStore(pool),
        caller,
        LocalEmbedder(),
        processes,
    )
    try:
        return await ActivityEnvironment().run(activities.resolve_entities, graph)
    finally:
        await processes.close()
