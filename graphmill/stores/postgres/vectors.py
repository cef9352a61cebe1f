"""Vectors in PostgreSQL, by pgvector (ports.VectorStore)."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import asyncpg

from graphmill.messages import COMMUNITY_FULL_CONTENT, ENTITY_DESCRIPTION, TEXT_UNIT_TEXT
from graphmill.models import CollectionKey
from graphmill.reports import embedded_content
from graphmill.stores.postgres.gaps import note_embedding_gaps

# What each vector index embeds: (id, text) of a graph's rows. $1 graph, $2 tenant, $3 collection.
_SOURCES = {
    TEXT_UNIT_TEXT: "SELECT t.id, t.text FROM graph_text_units g JOIN text_units t"
    " ON t.tenant = $2 AND t.collection = $3 AND t.id = g.text_unit_id WHERE g.graph_id = $1",
    ENTITY_DESCRIPTION: "SELECT embedding_id AS id, title || ': ' || description AS text"
    " FROM entities WHERE graph_id = $1",
    # Reports that are alike but for their references are embedded once.
    COMMUNITY_FULL_CONTENT: "SELECT embedding_id AS id, min(full_content) AS text"
    " FROM community_reports WHERE graph_id = $1 GROUP BY embedding_id",
}


class PostgresVectorStore:
    """Vectors are kept under ids made from content: one that is there is never made again."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def unembedded(
        self,
        key: CollectionKey,
        graph_id: int,
        vector_index: str,
        model: str,
        after: UUID,
        limit: int,
    ) -> tuple[tuple[UUID, str], ...]:
        rows = await self._pool.fetch(
            f"SELECT s.id, s.text FROM ({_SOURCES[vector_index]}) AS s WHERE NOT EXISTS ("
            " SELECT FROM vectors v WHERE v.tenant = $2 AND v.collection = $3"
            " AND v.vector_index = $4 AND v.model = $5 AND v.id = s.id)"
            " AND s.id > $6 ORDER BY s.id LIMIT $7",
            graph_id,
            key.tenant,
            key.name,
            vector_index,
            model,
            after,
            limit,
        )
        if vector_index == COMMUNITY_FULL_CONTENT:
            return tuple((row["id"], embedded_content(row["text"])) for row in rows)
        return tuple((row["id"], row["text"]) for row in rows)

    async def upsert_vectors(
        self,
        key: CollectionKey,
        vector_index: str,
        model: str,
        vectors: Sequence[tuple[UUID, Sequence[float]]],
    ) -> None:
        await self._pool.executemany(
            # As real[]: asyncpg sends that in binary, pgvector's own type only as text.
            "INSERT INTO vectors VALUES ($1, $2, $3, $4, $5, $6::real[]::vector)"
            " ON CONFLICT (tenant, collection, vector_index, model, id) DO NOTHING",
            [
                (key.tenant, key.name, vector_index, model, id, embedding)
                for id, embedding in vectors
            ],
        )

    async def note_gaps(
        self, key: CollectionKey, vector_index: str, model: str, gaps: Mapping[UUID, str]
    ) -> None:
        await note_embedding_gaps(self._pool, key, vector_index, model, gaps)
