"""The vectors of the published graph as projections read them: the last three kinds of records.

A vector of zeros, of a text without tokens, is no record: nothing is near to it.
"""

import json
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import asyncpg

from graphmill.projections.records import Kind, Record
from graphmill.stores.postgres.whole_reads import read_whole


class PostgresVectorRecords:
    def __init__(
        self, connection: asyncpg.pool.PoolConnectionProxy, graph_id: int, model: str
    ) -> None:
        self._connection = connection
        self._graph_id = graph_id
        self._model = model

    async def digests(self, kind: Kind) -> AsyncIterator[tuple[UUID, str]]:
        of_all = _RECORDS[kind].format(among="")
        statement = f"SELECT id, {_DIGEST} AS digest FROM ({of_all}) AS r ORDER BY id"
        async for row in read_whole(self._connection, statement, self._graph_id, self._model):
            yield row["id"], row["digest"]

    async def records(self, kind: Kind, ids: Sequence[UUID]) -> tuple[Record, ...]:
        of_some = _RECORDS[kind].format(among="AND v.id = ANY($3::uuid[])")
        rows = await self._connection.fetch(
            # As real[]: asyncpg reads that in binary, pgvector's own type only as text.
            f"SELECT id, properties, embedding::real[] AS vector, {_DIGEST} AS digest"
            f" FROM ({of_some}) AS r ORDER BY id",
            self._graph_id,
            self._model,
            list(ids),
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
        AND v.vector_index = '{kind}' AND v.model = $2
    {of}
    WHERE graphs.id = $1 AND v.digest IS NOT NULL {within} {{among}}
    """

# $1: the graph; $2: the model; `among`: nothing, or vectors with the ids $3. Several entities or
# reports may have one vector.
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
