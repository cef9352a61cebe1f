"""Documents out (graphmill.deletions.DeletionStore)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from graphmill.models import CollectionKey
from graphmill.stores.postgres.catalog import lock_documents, remove_unreferenced


class PostgresDeletion:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def clock(self) -> datetime:
        return await self._pool.fetchval("SELECT clock_timestamp()")

    async def missing(self, key: CollectionKey, ids: Sequence[UUID]) -> tuple[UUID, ...]:
        rows = await self._pool.fetch(
            "SELECT id FROM documents WHERE tenant = $1 AND collection = $2 AND id = ANY($3)",
            key.tenant,
            key.name,
            ids,
        )
        return tuple(sorted(set(ids) - {row["id"] for row in rows}))

    async def delete(
        self, key: CollectionKey, ids: Sequence[UUID], uploaded_until: datetime | None = None
    ) -> int:
        async with self._pool.acquire() as connection, connection.transaction():
            await lock_documents(connection, key)
            rows = await connection.fetch(
                "DELETE FROM documents WHERE tenant = $1 AND collection = $2 AND id = ANY($3)"
                " AND ($4::timestamptz IS NULL OR uploaded_at <= $4) RETURNING id, version",
                key.tenant,
                key.name,
                ids,
                uploaded_until,
            )
            await connection.execute(
                "UPDATE text_units SET live = false"
                " WHERE tenant = $1 AND collection = $2 AND document_id = ANY($3) AND live",
                key.tenant,
                key.name,
                [row["id"] for row in rows],
            )
            await remove_unreferenced(connection, key, (row["version"] for row in rows))
        return len(rows)
