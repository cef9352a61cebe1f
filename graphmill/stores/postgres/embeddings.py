"""Vectors in PostgreSQL, by pgvector (ports.EmbeddingStore)."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import asyncpg

from graphmill.messages import COMMUNITY_FULL_CONTENT, ENTITY_DESCRIPTION, TEXT_UNIT_TEXT
from graphmill.models import CollectionKey
from graphmill.reports import embedded_content
from graphmill.stores.postgres.gaps import note_embedding_gaps
from graphmill.stores.postgres.vector_codec import VectorCodec

_WITHOUT_VECTOR = (
    "NOT EXISTS (SELECT FROM vectors v WHERE v.tenant = $2 AND v.collection = $3"
    " AND v.vector_index = $4 AND v.model = $5 AND v.id = {id}) AND {id} > $6"
)
# What each vector index embeds of a graph's rows, without a vector: (id, text), ascending by id.
# $1 graph, $2 tenant, $3 collection, $4 vector index, $5 model, $6 after which id, $7 how many.
_UNEMBEDDED = {
    # Ids first, by indexes alone: where all but a few have vectors, no other text is read.
    TEXT_UNIT_TEXT: f"""
        SELECT t.id, t.text FROM (
            SELECT g.text_unit_id FROM graph_text_units g
            WHERE g.graph_id = $1 AND {_WITHOUT_VECTOR.format(id="g.text_unit_id")}
            ORDER BY g.text_unit_id LIMIT $7
        ) AS without
        JOIN text_units t ON t.tenant = $2 AND t.collection = $3 AND t.id = without.text_unit_id
        ORDER BY t.id
        """,
    ENTITY_DESCRIPTION: f"""
        SELECT e.embedding_id AS id, e.title || ': ' || e.description AS text FROM entities e
        WHERE e.graph_id = $1 AND {_WITHOUT_VECTOR.format(id="e.embedding_id")}
        ORDER BY e.embedding_id LIMIT $7
        """,
    # Reports that are alike but for their references are embedded once.
    COMMUNITY_FULL_CONTENT: f"""
        SELECT r.embedding_id AS id, min(r.full_content) AS text FROM community_reports r
        WHERE r.graph_id = $1 AND {_WITHOUT_VECTOR.format(id="r.embedding_id")}
        GROUP BY r.embedding_id ORDER BY r.embedding_id LIMIT $7
        """,
}


class PostgresEmbeddingStore:
    """Vectors are kept under ids made from content: one that is there is never made again."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._codec = VectorCodec()

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
            _UNEMBEDDED[vector_index],
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
        async with self._pool.acquire() as connection:
            await self._codec.teach(connection)
            await connection.executemany(
                "INSERT INTO vectors VALUES ($1, $2, $3, $4, $5, $6)"
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
