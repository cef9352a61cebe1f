"""Communities for a model to report on, in PostgreSQL (ports.ModelReportStore)."""

from collections.abc import Mapping, Sequence
from itertools import groupby

import asyncpg

from graphmill.models import Community, CommunityReport
from graphmill.ports import PlacedCommunity
from graphmill.reports import ReportContext
from graphmill.standard.community_context import ReportClaim
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

    async def load_claims(
        self, graph_id: int, communities: Sequence[int]
    ) -> dict[int, tuple[ReportClaim, ...]]:
        rows = await self._pool.fetch(_CLAIMS, graph_id, communities)
        return {
            community: tuple(ReportClaim(*claim) for _, *claim in of)
            for community, of in groupby(rows, key=lambda row: row["community"])
        }

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

    async def save_reports(
        self, graph_id: int, reports: Sequence[CommunityReport], gaps: Mapping[int, str]
    ) -> None:
        await write_reports(self._pool, graph_id, reports, gaps)


# After the community, the columns of ReportClaim. Text units that overlap, or repeat each other,
# make a claim several times; the first of them stands for all.
_CLAIMS = """
WITH members AS (
    SELECT c.community, e.title
    FROM communities c CROSS JOIN LATERAL unnest(c.entity_ids) AS member (id)
    JOIN entities e ON e.graph_id = $1 AND e.id = member.id
    WHERE c.graph_id = $1 AND c.community = ANY($2::int[])
)
SELECT community, min(human_readable_id) AS human_readable_id, subject_id, object_id, type,
    description, status, start_date, end_date
FROM (
    SELECT m.community, v.* FROM members m
    JOIN covariates v ON v.graph_id = $1 AND v.subject_id = m.title
    UNION ALL
    SELECT m.community, v.* FROM members m
    JOIN covariates v ON v.graph_id = $1 AND v.object_id = m.title
) AS about
GROUP BY community, subject_id, object_id, type, description, status, start_date, end_date
ORDER BY community, human_readable_id
"""

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
