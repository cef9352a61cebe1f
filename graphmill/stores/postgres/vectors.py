"""Search by pgvector, exactly, in the vectors that PostgreSQL has (search.ports.VectorStore).

While a run is under way they may be of more than the published graph, and by more than its model.
"""

import math
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from graphmill.messages import COMMUNITY_FULL_CONTENT, ENTITY_DESCRIPTION, TEXT_UNIT_TEXT
from graphmill.models import CollectionKey

# Whether what a vector is of belongs to the graph ($5).
_IN_GRAPH = {
    TEXT_UNIT_TEXT: "SELECT FROM graph_text_units g WHERE g.tenant = $1 AND g.graph_id = $5"
    " AND g.text_unit_id = v.id",
    ENTITY_DESCRIPTION: "SELECT FROM entities e WHERE e.tenant = $1 AND e.graph_id = $5"
    " AND e.embedding_id = v.id",
    COMMUNITY_FULL_CONTENT: "SELECT FROM community_reports r WHERE r.tenant = $1"
    " AND r.graph_id = $5 AND r.embedding_id = v.id",
}

# Those of a model have one dimension, so the first that is found tells it.
_DIMENSION = """
    SELECT vector_dims(embedding) FROM vectors
    WHERE tenant = $1 AND collection = $2 AND vector_index = $3 AND model = $4 LIMIT 1
"""
_VECTORS = """
    SELECT v.id, v.embedding <=> $6::real[]::vector AS distance
    FROM vectors v
    WHERE v.tenant = $1 AND v.collection = $2 AND v.vector_index = $3 AND v.model = $4
      AND EXISTS ({in_graph})
"""
_NEAREST = f"{_VECTORS} ORDER BY distance, v.id LIMIT $7"
_SIMILARITIES = f"{_VECTORS} AND v.id = ANY($7::uuid[]) ORDER BY distance, v.id"


class PostgresVectors:
    """Within the transaction of `connection`, which sees one graph as published."""

    def __init__(
        self,
        connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]",
        key: CollectionKey,
        graph_id: int,
        model: str,
    ) -> None:
        self._connection = connection
        self._key = key
        self._graph_id = graph_id
        self._model = model

    async def nearest(
        self, vector_index: str, vector: Sequence[float], limit: int
    ) -> dict[UUID, float]:
        return await self._search(_NEAREST, vector_index, vector, max(limit, 0))

    async def similarities(
        self, vector_index: str, vector: Sequence[float], ids: Sequence[UUID]
    ) -> dict[UUID, float]:
        return await self._search(_SIMILARITIES, vector_index, vector, list(ids))

    async def _search(
        self, statement: str, vector_index: str, vector: Sequence[float], among: object
    ) -> dict[UUID, float]:
        if vector_index not in _IN_GRAPH or not any(vector):
            return {}
        of = (self._key.tenant, self._key.name, vector_index, self._model)
        if await self._connection.fetchval(_DIMENSION, *of) != len(vector):
            return {}
        rows = await self._connection.fetch(
            statement.format(in_graph=_IN_GRAPH[vector_index]),
            *of,
            self._graph_id,
            vector,
            among,
        )
        # The distance of zeros (a text without tokens) is no number, and comes last.
        return {row["id"]: 1 - row["distance"] for row in rows if not math.isnan(row["distance"])}
