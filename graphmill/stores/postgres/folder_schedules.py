"""Which folders are indexed again and again."""

import json
from pathlib import Path

import asyncpg

from graphmill.errors import NotFound
from graphmill.folder_schedules import FolderSchedule
from graphmill.index_request import IndexRequest
from graphmill.models import CollectionKey


class PostgresFolderSchedules:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def save(self, schedule: FolderSchedule) -> None:
        """In place of the one that the collection had; it comes to be with it."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO collections (tenant, name) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                schedule.key.tenant,
                schedule.key.name,
            )
            await connection.execute(
                "INSERT INTO folder_schedules (tenant, collection, paths, every, prune, request)"
                " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, collection) DO UPDATE"
                " SET paths = excluded.paths, every = excluded.every, prune = excluded.prune,"
                " request = excluded.request",
                schedule.key.tenant,
                schedule.key.name,
                [str(path) for path in schedule.paths],
                schedule.every,
                schedule.prune,
                json.dumps(schedule.request.to_json()),
            )

    async def load(self, key: CollectionKey) -> FolderSchedule:
        """
        Raises:
            NotFound: the collection has none.
        """
        row = await self._pool.fetchrow(
            "SELECT * FROM folder_schedules WHERE tenant = $1 AND collection = $2",
            key.tenant,
            key.name,
        )
        if row is None:
            raise no_schedule(key)
        return _schedule(row)

    async def list(self, tenant: str) -> tuple[FolderSchedule, ...]:
        """In the order of their collections' names."""
        rows = await self._pool.fetch(
            'SELECT * FROM folder_schedules WHERE tenant = $1 ORDER BY collection COLLATE "C"',
            tenant,
        )
        return tuple(map(_schedule, rows))

    async def delete(self, key: CollectionKey) -> None:
        """One that is gone already is no error."""
        await self._pool.execute(
            "DELETE FROM folder_schedules WHERE tenant = $1 AND collection = $2",
            key.tenant,
            key.name,
        )

    async def note_change(self, key: CollectionKey) -> None:
        """Something is about to change."""
        await self._pool.execute(
            "UPDATE folder_schedules SET changes = changes + 1"
            " WHERE tenant = $1 AND collection = $2",
            key.tenant,
            key.name,
        )

    async def change(self, key: CollectionKey) -> int | None:
        """The latest for which no run was started; None: there is none."""
        return await self._pool.fetchval(
            "SELECT changes FROM folder_schedules WHERE tenant = $1 AND collection = $2"
            " AND changes > started",
            key.tenant,
            key.name,
        )

    async def note_started(self, key: CollectionKey, change: int) -> None:
        """A run was started since."""
        await self._pool.execute(
            "UPDATE folder_schedules SET started = greatest(started, $3)"
            " WHERE tenant = $1 AND collection = $2",
            key.tenant,
            key.name,
            change,
        )


def no_schedule(key: CollectionKey) -> NotFound:
    return NotFound(
        f"collection {key.name!r} (tenant {key.tenant!r}) has no schedule; make one:"
        f" graphmill schedule {key.name} --every 1d FOLDER"
    )


def _schedule(row: asyncpg.Record) -> FolderSchedule:
    return FolderSchedule(
        IndexRequest.from_json(json.loads(row["request"])),
        tuple(map(Path, row["paths"])),
        row["every"],
        row["prune"],
    )
