"""The vectors of the published graph as projections read them: the last three kinds of records.

A vector of zeros, of a text without tokens, is no record: nothing is near to it.
"""

import json
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import asyncpg

from graphmill.projections.records import Kind, Record

_PREFETCH = 2_000


class PostgresVectorRecords:
    def __init__(
        self, connection: asyncpg.pool.PoolConnectionProxy, graph_id: int, model: str
    ) -> None:
        self._connection = connection
        self._graph_id = graph_id
        self._model = model

    async def digests(self, kind: Kind) -> AsyncIterator[tuple[UUID, str]]:
        statement = f"SELECT id, {_DIGEST} AS digest FROM ({_RECORDS[kind]}) AS r ORDER BY id"
        async for row in self._connection.cursor(
            statement, self._graph_id, None, self._model, prefetch=_PREFETCH
        ):
            yield row["id"], row["digest"]

    async def records(self, kind: Kind, ids: Sequence[UUID]) -> tuple[Record, ...]:
        rows = await self._connection.fetch(
            # As real[]: asyncpg reads that in binary, pgvector's own type only as text.
            f"SELECT id, properties, embedding::real[] AS vector, {_DIGEST} AS digest"
            f" FROM ({_RECORDS[kind]}) AS r ORDER BY id",
            self._graph_id,
            list(ids),
            self._model,
        )
        return tuple(
            Record(
                row["id"], row["digest"], json.loads(row["properties"]), vector=tuple(row["vector"])
            )
            for row in rows
        )


_DIGEST = "md5(properties::text || vector_digest::text)"

_VECTORS = """
    SELECT v.id, v.embedding, v.digest AS vector_digest,
        jsonb_build_object('model', v.model{properties}) AS properties
    FROM graphs JOIN vectors v ON v.tenant = graphs.tenant AND v.collection = graphs.collection
        AND v.vector_index = '{kind}' AND v.model = $3
    {of}
    WHERE graphs.id = $1 AND ($2::uuid[] IS NULL OR v.id = ANY($2))
        AND v.digest IS NOT NULL {within}
    """

# $1: the graph; $2: ids, NULL: all; $3: the model. Several entities or reports may have one vector.
_RECORDS = {
    Kind.TEXT_UNIT_TEXT: _VECTORS.format(
        kind=Kind.TEXT_UNIT_TEXT,
        properties=", 'document_id', g.document_id",
        of="JOIN graph_text_units g ON g.graph_id = graphs.id AND g.text_unit_id = v.id",
        within="",
    ),
    Kind.ENTITY_DESCRIPTION: _VECTORS.format(
        kind=Kind.ENTITY_DESCRIPTION,
        properties="",
        of="",
        within="AND EXISTS (SELECT FROM entities e WHERE e.graph_id = $1"
        " AND e.embedding_id = v.id)",
    ),
    Kind.COMMUNITY_FULL_CONTENT: _VECTORS.format(
        kind=Kind.COMMUNITY_FULL_CONTENT,
        properties="",
        of="",
        within="AND EXISTS (SELECT FROM community_reports r WHERE r.graph_id = $1"
        " AND r.embedding_id = v.id)",
    ),
}
