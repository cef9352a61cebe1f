"""What workers say of themselves (graphmill.worker_pools.PoolStore), and what is read of it."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

import asyncpg

from graphmill.roles import Role
from graphmill.worker_pools import Pool, RunningTask, WorkerPool

SILENT_SECONDS = 30.0
"""A worker that has said nothing for so long is gone."""


class PostgresPoolStore:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def tell(self, process: UUID, worker: str, pools: Sequence[Pool]) -> None:
        await self._pool.execute(
            "INSERT INTO worker_pools (process, queue, role, worker, size, active, running)"
            " SELECT $1, queue, role, $2, size, active, running FROM unnest($3::text[], $4::text[],"
            " $5::int[], $6::int[], $7::jsonb[]) AS p (queue, role, size, active, running)"
            " ON CONFLICT (process, queue) DO UPDATE SET size = excluded.size,"
            " active = excluded.active, running = excluded.running, seen_at = now()",
            process,
            worker,
            [one.queue for one in pools],
            [str(one.role) for one in pools],
            [one.size for one in pools],
            [one.active for one in pools],
            [json.dumps([asdict(task) for task in one.running]) for one in pools],
        )
        # Of those that were killed.
        await self._pool.execute(
            "DELETE FROM worker_pools WHERE seen_at < now() - make_interval(secs => $1)",
            10 * SILENT_SECONDS,
        )

    async def forget(self, process: UUID) -> None:
        await self._pool.execute("DELETE FROM worker_pools WHERE process = $1", process)

    async def load(self) -> tuple[WorkerPool, ...]:
        """Of all workers that live, as they were some seconds ago."""
        rows = await self._pool.fetch(
            "SELECT *, extract(epoch FROM now() - seen_at)::float8 AS age FROM worker_pools"
            " WHERE seen_at > now() - make_interval(secs => $1) ORDER BY worker, process, queue",
            SILENT_SECONDS,
        )
        known = set(Role)
        return tuple(
            WorkerPool(
                row["process"],
                row["worker"],
                Pool(
                    Role(row["role"]),
                    row["queue"],
                    row["size"],
                    row["active"],
                    tuple(
                        RunningTask(
                            task["kind"],
                            task["workflow_id"],
                            task["seconds"] + row["age"],
                            task["attempt"],
                        )
                        for task in json.loads(row["running"])
                    ),
                ),
            )
            for row in rows
            if row["role"] in known  # those of a later release may have more
        )
