"""Descriptions that wait to become one, in PostgreSQL (ports.SummaryStore)."""

from collections.abc import Mapping
from uuid import UUID

import asyncpg

from graphmill.gaps import SUMMARY
from graphmill.messages import GraphShard
from graphmill.ports import Descriptions

_LAST_ID = 2**128 - 1


class PostgresSummaryStore:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def unsummarized(
        self, part: GraphShard, after: UUID, limit: int
    ) -> tuple[Descriptions, ...]:
        before, last = _ids(part)
        rows = await self._pool.fetch(
            _UNSUMMARIZED, part.graph.graph_id, max(before, after), last, limit
        )
        return tuple(
            Descriptions(row["id"], tuple(row["titles"]), tuple(row["descriptions"]))
            for row in rows
        )

    async def save_summaries(
        self, graph_id: int, summaries: Mapping[UUID, str], gaps: Mapping[UUID, str]
    ) -> None:
        reasons = [gaps.get(id) for id in summaries]
        async with self._pool.acquire() as connection, connection.transaction():
            for statement in _SAVE:
                await connection.execute(
                    statement, graph_id, list(summaries), list(summaries.values()), reasons
                )


def _ids(part: GraphShard) -> tuple[UUID, UUID]:
    """A part has the ids after the first, up to the last: ids are hashes, so that ranges of them,
    which an index finds, are as even as remainders."""
    before, last = (_LAST_ID * shard // part.shards for shard in (part.shard, part.shard + 1))
    return UUID(int=before), UUID(int=last)


# Ids of entities and of relationships are never the same. Each side is cut for itself: its index
# has that order.
_UNSUMMARIZED = """
(
    SELECT id, ARRAY[title] AS titles, descriptions FROM entities
    WHERE graph_id = $1 AND descriptions <> '{}' AND id > $2 AND id <= $3 ORDER BY id LIMIT $4
) UNION ALL (
    SELECT id, ARRAY[source, target], descriptions FROM relationships
    WHERE graph_id = $1 AND descriptions <> '{}' AND id > $2 AND id <= $3 ORDER BY id LIMIT $4
) ORDER BY id LIMIT $4
"""

_SAVE = tuple(
    f"""
    WITH saved AS (
        UPDATE {table} t SET description = s.description, descriptions = '{{}}'{more}
        FROM unnest($2::uuid[], $3::text[], $4::text[]) AS s (id, description, reason)
        WHERE t.graph_id = $1 AND t.id = s.id AND t.descriptions <> '{{}}'
        RETURNING t.tenant, t.id, s.reason
    )
    INSERT INTO model_gaps (tenant, graph_id, kind, id, reason)
    SELECT tenant, $1, '{SUMMARY}', id, reason FROM saved WHERE reason IS NOT NULL
    """
    for table, more in (
        (
            "entities",
            ", embedding_id = content_id('entity_description', t.title || ': ' || s.description)",
        ),
        ("relationships", ""),
    )
)
