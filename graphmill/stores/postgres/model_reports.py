"""Communities for a model to report on, in PostgreSQL (ports.ModelReportStore)."""

from collections.abc import Sequence

import asyncpg

from graphmill.models import Community, CommunityReport
from graphmill.ports import PlacedCommunity
from graphmill.reports import ReportContext
from graphmill.stores.postgres.reports import (
    read_community,
    read_contexts,
    read_report,
    write_reports,
)


class PostgresModelReportStore:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def load_hierarchies(
        self, graph_id: int, shard: int, shards: int
    ) -> tuple[PlacedCommunity, ...]:
        rows = await self._pool.fetch(_HIERARCHIES, graph_id, shard, shards)
        return tuple(
            PlacedCommunity(
                row["community"],
                row["level"],
                row["parent"],
                tuple(row["children"]),
                row["size"],
                row["reported"],
            )
            for row in rows
        )

    async def load_contexts(
        self, graph_id: int, communities: Sequence[int]
    ) -> tuple[ReportContext, ...]:
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(
                "SELECT * FROM communities WHERE graph_id = $1 AND community = ANY($2::int[])"
                " ORDER BY array_position($2::int[], community)",
                graph_id,
                communities,
            )
            return await read_contexts(connection, graph_id, rows)

    async def load_reports(
        self, graph_id: int, communities: Sequence[int]
    ) -> tuple[tuple[Community, CommunityReport], ...]:
        async with self._pool.acquire() as connection:
            of, reports = [
                await connection.fetch(
                    f"SELECT * FROM {table} WHERE graph_id = $1 AND community = ANY($2::int[])"
                    " ORDER BY community",
                    graph_id,
                    communities,
                )
                for table in ("communities", "community_reports")
            ]
        return tuple(
            (read_community(community), read_report(report))
            for community, report in zip(of, reports, strict=True)
        )

    async def save_reports(self, graph_id: int, reports: Sequence[CommunityReport]) -> None:
        await write_reports(self._pool, graph_id, reports)


# Down from the roots by numbers, which the key finds.
_HIERARCHIES = """
WITH RECURSIVE part AS (
    SELECT community, level, parent, children, size FROM communities
    WHERE graph_id = $1 AND parent = -1 AND community % $3::int = $2::int
    UNION ALL
    SELECT c.community, c.level, c.parent, c.children, c.size
    FROM part p CROSS JOIN unnest(p.children) AS child
        JOIN communities c ON c.graph_id = $1 AND c.community = child
)
SELECT p.*, EXISTS (
    SELECT FROM community_reports r WHERE r.graph_id = $1 AND r.community = p.community
) AS reported
FROM part p ORDER BY community
"""
