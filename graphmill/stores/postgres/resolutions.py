"""Entities under several titles, in PostgreSQL (ports.ResolutionStore)."""

from collections.abc import Collection, Sequence

import asyncpg

from graphmill.models import CollectionKey
from graphmill.standard.decisions import Decision, Step
from graphmill.standard.entity_groups import Groups
from graphmill.standard.title_search import SeenTitles
from graphmill.stores.postgres.copying import copy_rows

# Of an entity, what a model and the embedder are told.
_DESCRIPTIONS = 3
_MOST_CHARACTERS = 500
# Rows that are made into lists between two looks of the event loop at what else there is to do.
_ROWS_TOGETHER = 5_000


class PostgresResolutionStore:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def load_titles(self, key: CollectionKey) -> SeenTitles:
        seen = SeenTitles()
        async with self._pool.acquire() as connection, connection.transaction(readonly=True):
            cursor = await connection.cursor(_TITLES, key.tenant, key.name)
            while rows := await cursor.fetch(_ROWS_TOGETHER):
                seen.extend((row["title"], row["type"], row["frequency"]) for row in rows)
        return seen

    async def load_descriptions(
        self, key: CollectionKey, titles: Collection[str]
    ) -> dict[str, tuple[str, ...]]:
        rows = await self._pool.fetch(
            _TOLD, key.tenant, key.name, sorted(titles), _DESCRIPTIONS, _MOST_CHARACTERS
        )
        return {row["title"]: tuple(row["told"]) for row in rows}

    async def load_verdicts(self, key: CollectionKey) -> tuple[Decision, ...]:
        rows = await self._pool.fetch(
            "SELECT title, other, same, reason FROM resolution_verdicts"
            " WHERE tenant = $1 AND collection = $2 ORDER BY title, other",
            key.tenant,
            key.name,
        )
        return tuple(
            Decision(row["title"], row["other"], row["same"], Step.PERSON, row["reason"])
            for row in rows
        )

    async def save_groups(self, graph_id: int, groups: Groups) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            tenant = await connection.fetchval("SELECT tenant FROM graphs WHERE id = $1", graph_id)
            for table, columns, rows in _rows(tenant, graph_id, groups):
                await connection.execute(f"DELETE FROM {table} WHERE graph_id = $1", graph_id)
                await copy_rows(connection, table, columns, rows)


def _rows(
    tenant: str, graph_id: int, groups: Groups
) -> tuple[tuple[str, Sequence[str], list[tuple[object, ...]]], ...]:
    return (
        (
            "resolution_decisions",
            ("tenant", "graph_id", "title", "other", "same", "step", "reason"),
            [
                (tenant, graph_id, one.title, one.other, one.same, one.step, one.reason)
                for one in groups.decisions
            ],
        ),
        (
            "entity_resolutions",
            ("tenant", "graph_id", "title", "canonical", "step", "reason"),
            [
                (tenant, graph_id, one.title, one.canonical, one.step, one.reason)
                for one in groups.resolved
            ],
        ),
    )


# Text units that a fold reads, with what a model found in them.
_LIVE = """
documents d
JOIN text_units t ON t.tenant = $1 AND t.collection = $2 AND t.document_id = d.id AND t.live
JOIN model_extractions e
    ON e.tenant = $1 AND e.collection = $2 AND e.text_unit_id = t.id AND e.failure = ''
"""
_OF_COLLECTION = "d.tenant = $1 AND d.collection = $2 AND d.state IN ('done', 'partial')"

_TITLES = f"""
WITH seen AS (
    SELECT u.title, u.type, count(*) AS times
    FROM {_LIVE} CROSS JOIN LATERAL unnest(e.titles, e.types) AS u (title, type)
    WHERE {_OF_COLLECTION}
    GROUP BY u.title, u.type
)
SELECT title,
       coalesce(
           (array_agg(type ORDER BY times DESC, type COLLATE "C") FILTER (WHERE type <> ''))[1], ''
       ) AS type,
       sum(times)::bigint AS frequency
FROM seen GROUP BY title ORDER BY title COLLATE "C"
"""

# The longest say most, and seldom change when a document comes in, which would ask anew. Of several
# documents each has one, or one alone could put its own in the place of what all others say.
# Joined to what is asked about: a list (= ANY) is hashed only while a statement is planned anew
# each time, and looked through from its beginning for each row once that is over.
_TOLD = f"""
WITH described AS (
    SELECT DISTINCT asked.title, d.id AS document_id, left(u.description, $5) AS description
    FROM {_LIVE} CROSS JOIN LATERAL unnest(e.described, e.descriptions) AS u (place, description)
    JOIN unnest($3::text[]) AS asked (title) ON asked.title = e.titles[u.place + 1]
    WHERE {_OF_COLLECTION} AND u.description <> ''
), of_documents AS (
    SELECT title, description, row_number() OVER (
        PARTITION BY title, document_id
        ORDER BY length(description) DESC, description COLLATE "C") AS place
    FROM described
), counted AS (
    SELECT *, count(*) FILTER (WHERE place = 1) OVER (PARTITION BY title) AS documents
    FROM of_documents
), ranked AS (
    SELECT title, description, row_number() OVER (
        PARTITION BY title ORDER BY length(description) DESC, description COLLATE "C") AS place
    FROM counted WHERE place = 1 OR documents = 1
    GROUP BY title, description
)
SELECT title, array_agg(description ORDER BY place) AS told
FROM ranked WHERE place <= $4 GROUP BY title
"""
