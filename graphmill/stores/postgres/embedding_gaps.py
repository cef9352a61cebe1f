"""Which texts of a collection have no vector, or one of their beginning only."""

from collections.abc import Mapping
from uuid import UUID

import asyncpg

from graphmill.embedding_gaps import EmbeddingGaps, RefusedTexts
from graphmill.models import CollectionKey

# An endpoint that says something else each time fills no status.
_MOST_REASONS = 20


async def note_gaps(
    pool: asyncpg.Pool, key: CollectionKey, vector_index: str, model: str, gaps: Mapping[UUID, str]
) -> None:
    """By id: why there is no vector, "" where there is one of the text's beginning."""
    await pool.executemany(
        "INSERT INTO embedding_gaps VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (tenant, collection, vector_index, model, id)"
        " DO UPDATE SET reason = excluded.reason",
        [(key.tenant, key.name, vector_index, model, id, gaps[id]) for id in sorted(gaps)],
    )


async def load_gaps(pool: asyncpg.Pool, key: CollectionKey) -> EmbeddingGaps:
    """Of the published graph's model; before there is one, of any."""
    rows = await pool.fetch(
        """
        SELECT e.vector_index, e.reason, count(*) AS texts
        FROM embedding_gaps e
        JOIN collections c ON c.tenant = e.tenant AND c.name = e.collection
        LEFT JOIN graphs g ON g.id = c.graph_id
        WHERE e.tenant = $1 AND e.collection = $2 AND (g.id IS NULL OR g.embedding_model = e.model)
        GROUP BY e.vector_index, e.reason ORDER BY texts DESC, e.vector_index, e.reason
        """,
        key.tenant,
        key.name,
    )
    refused = [
        RefusedTexts(row["vector_index"], row["reason"], row["texts"])
        for row in rows
        if row["reason"]
    ]
    return EmbeddingGaps(
        sum(one.texts for one in refused),
        sum(row["texts"] for row in rows if not row["reason"]),
        tuple(refused[:_MOST_REASONS]),
    )
