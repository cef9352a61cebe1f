"""What graphs lack because a model did not give it: vectors, reports, summaries."""

from collections.abc import Iterable, Mapping
from uuid import UUID

import asyncpg

from graphmill.gaps import REPORT, SUMMARY, EmbeddingGaps, Missing, ModelGaps
from graphmill.models import CollectionKey

# An endpoint that says something else each time fills no status.
_MOST_REASONS = 20


async def note_embedding_gaps(
    pool: asyncpg.Pool, key: CollectionKey, vector_index: str, model: str, gaps: Mapping[UUID, str]
) -> None:
    """By id: why there is no vector, "" where there is one of the text's beginning."""
    await pool.executemany(
        "INSERT INTO embedding_gaps VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (tenant, collection, vector_index, model, id)"
        " DO UPDATE SET reason = excluded.reason",
        [(key.tenant, key.name, vector_index, model, id, gaps[id]) for id in sorted(gaps)],
    )


async def load_embedding_gaps(pool: asyncpg.Pool, key: CollectionKey) -> EmbeddingGaps:
    """Of the published graph's model; before there is one, of any."""
    rows = await pool.fetch(
        """
        SELECT e.vector_index AS kind, e.reason, count(*) AS count
        FROM embedding_gaps e
        JOIN collections c ON c.tenant = e.tenant AND c.name = e.collection
        LEFT JOIN graphs g ON g.id = c.graph_id
        WHERE e.tenant = $1 AND e.collection = $2 AND (g.id IS NULL OR g.embedding_model = e.model)
        GROUP BY e.vector_index, e.reason ORDER BY count DESC, e.vector_index, e.reason
        """,
        key.tenant,
        key.name,
    )
    missing = _missing(row for row in rows if row["reason"])
    return EmbeddingGaps(
        sum(one.count for one in missing),
        sum(row["count"] for row in rows if not row["reason"]),
        missing[:_MOST_REASONS],
    )


async def load_model_gaps(pool: asyncpg.Pool, key: CollectionKey) -> ModelGaps:
    """Of the published graph."""
    missing = _missing(
        await pool.fetch(
            """
            SELECT m.kind, m.reason, count(*) AS count
            FROM collections c JOIN model_gaps m ON m.graph_id = c.graph_id
            WHERE c.tenant = $1 AND c.name = $2
            GROUP BY m.kind, m.reason ORDER BY count DESC, m.kind, m.reason
            """,
            key.tenant,
            key.name,
        )
    )
    reports, summaries = (
        sum(one.count for one in missing if one.kind == kind) for kind in (REPORT, SUMMARY)
    )
    return ModelGaps(reports, summaries, missing[:_MOST_REASONS])


def _missing(rows: Iterable[asyncpg.Record]) -> tuple[Missing, ...]:
    return tuple(Missing(row["kind"], row["reason"], row["count"]) for row in rows)
