"""The published graph as projections read it (graphmill.projections.ports.ProjectionSource).

What changes with every document though the record does not (human_readable_id, the number of a
community) is no part of a record.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from graphmill.embedding import LocalEmbedder
from graphmill.models import CollectionKey
from graphmill.projections.records import VECTORS, Kind, Record
from graphmill.stores.postgres.published import published_graph
from graphmill.stores.postgres.vector_records import PostgresVectorRecords
from graphmill.stores.postgres.whole_reads import read_whole


class PostgresProjectionSource:
    """`model`: what the graph's vectors are by."""

    def __init__(
        self,
        connection: asyncpg.pool.PoolConnectionProxy,
        graph_id: int,
        version: str,
        model: str,
    ) -> None:
        self.graph_id = graph_id
        self.version = version
        self._connection = connection
        self._vectors = PostgresVectorRecords(connection, graph_id, model)

    async def digests(self, kind: Kind) -> AsyncIterator[tuple[UUID, str]]:
        if kind in VECTORS:
            async for digest in self._vectors.digests(kind):
                yield digest
            return
        of_all = _RECORDS[kind].format(among="")
        statement = f"SELECT id, {_DIGEST} AS digest FROM ({of_all}) AS r ORDER BY id"
        async for row in read_whole(self._connection, statement, self.graph_id):
            yield row["id"], row["digest"]

    async def records(self, kind: Kind, ids: Sequence[UUID]) -> tuple[Record, ...]:
        if kind in VECTORS:
            return await self._vectors.records(kind, ids)
        of_some = _RECORDS[kind].format(among=f"AND {_IDS[kind]} = ANY($2::uuid[])")
        rows = await self._connection.fetch(
            f"SELECT id, properties, links, {_DIGEST} AS digest FROM ({of_some}) AS r ORDER BY id",
            self.graph_id,
            list(ids),
        )
        return tuple(
            Record(
                row["id"],
                row["digest"],
                json.loads(row["properties"]),
                {
                    name: tuple(map(UUID, pointed_to))
                    for name, pointed_to in json.loads(row["links"]).items()
                },
            )
            for row in rows
        )


@asynccontextmanager
async def open_source(
    pool: asyncpg.Pool, key: CollectionKey
) -> AsyncGenerator[PostgresProjectionSource | None]:
    """The graph that is published now, the same for the time of the block; None before the first.

    Raises:
        NotFound: there is no such collection.
    """
    async with published_graph(pool, key) as (connection, graph_id):
        if graph_id is None:
            yield None
            return
        (version, model), *_ = await connection.fetch(
            "SELECT version, embedding_model FROM graphs WHERE id = $1", graph_id
        )
        # A graph does not tell the name of the local model, which is this release's.
        yield PostgresProjectionSource(
            connection, graph_id, version, model or LocalEmbedder().model
        )


_DIGEST = "md5(properties::text || links::text)"

# What a record's id is in its statement.
_IDS = {
    Kind.DOCUMENT: "g.document_id",
    Kind.TEXT_UNIT: "g.text_unit_id",
    Kind.ENTITY: "e.id",
    Kind.RELATIONSHIP: "id",
    Kind.COMMUNITY: "c.id",
    Kind.COVARIATE: "v.id",
}

# $1: the graph; `among`: nothing, or records with the ids $2. (One statement for both would be
# planned for all of them, once a connection has seen it some times.) As much of a text unit's text
# as people look at in a graph.
_RECORDS = {
    Kind.DOCUMENT: """
        SELECT g.document_id AS id,
            jsonb_build_object('name', g.name, 'title', p.title, 'format', p.format,
                'creation_date', to_char(g.creation_date AT TIME ZONE 'UTC', 'YYYY-MM-DD'))
                AS properties,
            '{{}}'::jsonb AS links
        FROM graph_documents g JOIN graphs ON graphs.id = g.graph_id
        JOIN parsed_documents p ON p.tenant = graphs.tenant AND p.collection = graphs.collection
            AND p.document_id = g.document_id AND p.digest = g.parsed
        WHERE g.graph_id = $1 {among}
        """,
    Kind.TEXT_UNIT: """
        SELECT g.text_unit_id AS id,
            jsonb_build_object('position', t.position, 'n_tokens', t.n_tokens,
                'text', left(t.text, 300)) AS properties,
            jsonb_build_object('document', ARRAY[g.document_id]) AS links
        FROM graph_text_units g JOIN graphs ON graphs.id = g.graph_id
        JOIN text_units t ON t.tenant = graphs.tenant AND t.collection = graphs.collection
            AND t.id = g.text_unit_id
        WHERE g.graph_id = $1 {among}
        """,
    Kind.ENTITY: """
        SELECT e.id,
            jsonb_build_object('title', e.title, 'type', e.type, 'description', e.description,
                'frequency', e.frequency, 'degree', e.degree, 'text_unit_ids', e.text_unit_ids,
                'label', asked.type) AS properties,
            jsonb_build_object('text_units', e.text_unit_ids) AS links
        FROM entities e LEFT JOIN LATERAL (
            SELECT type FROM graphs, unnest(entity_types) AS type
            WHERE graphs.id = $1 AND upper(type) = upper(e.type) LIMIT 1
        ) AS asked ON true
        WHERE e.graph_id = $1 {among}
        """,
    Kind.RELATIONSHIP: """
        SELECT id,
            jsonb_build_object('description', description, 'weight', weight,
                'combined_degree', combined_degree, 'text_unit_ids', text_unit_ids) AS properties,
            jsonb_build_object('source', ARRAY[content_id('entity', source)],
                'target', ARRAY[content_id('entity', target)]) AS links
        FROM relationships WHERE graph_id = $1 {among}
        """,
    Kind.COMMUNITY: """
        SELECT c.id,
            jsonb_build_object('level', c.level, 'size', c.size, 'period', c.period,
                'title', coalesce(r.title, c.title), 'summary', coalesce(r.summary, ''),
                'rank', coalesce(r.rank, 0)) AS properties,
            jsonb_build_object('entities', c.entity_ids,
                'parent', CASE WHEN p.id IS NULL THEN '{{}}' ELSE ARRAY[p.id] END) AS links
        FROM communities c
        LEFT JOIN communities p ON p.graph_id = $1 AND p.community = c.parent
        LEFT JOIN community_reports r ON r.graph_id = $1 AND r.community = c.community
        WHERE c.graph_id = $1 {among}
        """,
    Kind.COVARIATE: """
        SELECT v.id,
            jsonb_build_object('type', v.type, 'description', v.description,
                'subject', v.subject_id, 'object', v.object_id, 'status', v.status,
                'start_date', v.start_date, 'end_date', v.end_date,
                'source_text', v.source_text) AS properties,
            jsonb_build_object('text_unit', ARRAY[v.text_unit_id],
                'about', ARRAY(SELECT e.id FROM entities e WHERE e.graph_id = $1
                    AND e.title IN (v.subject_id, v.object_id) ORDER BY e.id)) AS links
        FROM covariates v WHERE v.graph_id = $1 {among}
        """,
}
