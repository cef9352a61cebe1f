"""The graph that a collection shows to readers, for as long as they read it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg

from graphmill.missing import no_collection
from graphmill.models import CollectionKey


@asynccontextmanager
async def published_graph(
    pool: asyncpg.Pool, key: CollectionKey, wait_seconds: float | None = None
) -> AsyncGenerator[tuple[asyncpg.pool.PoolConnectionProxy, int | None]]:
    """A connection within one read-only snapshot, and the published graph's id; None before the
    first is published. Whatever is published meanwhile, the reader sees one graph, whole.

    Raises:
        NotFound: there is no such collection.
        TimeoutError: no connection came free in `wait_seconds`.
    """
    async with (
        pool.acquire(timeout=wait_seconds) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        row = await connection.fetchrow(
            "SELECT graph_id FROM collections WHERE tenant = $1 AND name = $2", key.tenant, key.name
        )
        if row is None:
            raise no_collection(key)
        yield connection, row["graph_id"]
