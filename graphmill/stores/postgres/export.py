"""The published graph as rows for an export, streamed by a cursor."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from graphmill.export import TABLES
from graphmill.models import CollectionKey
from graphmill.stores.postgres.published import published_graph

# $1 graph. Ids are turned to text here: millions of UUID objects cost minutes in Python.
_GRAPH_QUERIES = {
    "entities": """
        SELECT id::text, human_readable_id, title, type, description,
               text_unit_ids::text[], frequency, degree
        FROM entities WHERE graph_id = $1 ORDER BY human_readable_id
    """,
    "relationships": """
        SELECT id::text, human_readable_id, source, target, description, weight,
               combined_degree, text_unit_ids::text[]
        FROM relationships WHERE graph_id = $1 ORDER BY human_readable_id
    """,
    "covariates": """
        SELECT id::text, human_readable_id, 'claim' AS covariate_type, type, description,
               subject_id, object_id, status, start_date, end_date, source_text, text_unit_id::text
        FROM covariates WHERE graph_id = $1 ORDER BY human_readable_id
    """,
    "communities": """
        SELECT id::text, community AS human_readable_id, community, level, parent, children, title,
               entity_ids::text[], relationship_ids::text[], text_unit_ids::text[], period, size
        FROM communities WHERE graph_id = $1 ORDER BY community
    """,
    "community_reports": """
        SELECT id::text, community AS human_readable_id, community, level, parent, children, title,
               summary, full_content, rank, rating_explanation, findings::text AS findings,
               full_content_json, period, size
        FROM community_reports WHERE graph_id = $1 ORDER BY community
    """,
}
# $1 graph, $2 tenant, $3 collection.
_COLLECTION_QUERIES = {
    "text_units": """
        SELECT t.id::text, g.human_readable_id, t.text, t.n_tokens, t.document_id::text,
               g.entity_ids::text[], g.relationship_ids::text[], g.covariate_ids::text[]
        FROM graph_text_units g
        JOIN text_units t ON t.tenant = $2 AND t.collection = $3 AND t.id = g.text_unit_id
        WHERE g.tenant = $2 AND g.graph_id = $1 ORDER BY g.human_readable_id
    """,
    "documents": """
        SELECT g.document_id::text AS id, g.human_readable_id, p.title, p.text,
               ARRAY(
                   SELECT u.text_unit_id::text
                   FROM graph_text_units u
                   JOIN text_units t
                     ON t.tenant = $2 AND t.collection = $3 AND t.id = u.text_unit_id
                   WHERE u.tenant = $2 AND u.graph_id = $1 AND u.document_id = g.document_id
                   ORDER BY t.position, u.text_unit_id
               ) AS text_unit_ids,
               g.creation_date, g.name, p.format, g.version, g.size, p.pages
        FROM graph_documents g
        JOIN parsed_documents p ON p.tenant = $2 AND p.collection = $3
            AND p.document_id = g.document_id AND p.digest = g.parsed
        WHERE g.tenant = $2 AND g.graph_id = $1 ORDER BY g.human_readable_id
    """,
}
# Rows fetched at once. A document may have 50 million characters, the others are small.
_PREFETCH = {"documents": 4, "community_reports": 200, "communities": 200}
_DEFAULT_PREFETCH = 1_000


class PostgresExportStore:
    """graphmill.export.ExportStore over PostgreSQL. The pool belongs to the caller."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def tables(
        self, key: CollectionKey
    ) -> AsyncGenerator["PostgresGraphTables | None", None]:
        async with published_graph(self._pool, key) as (connection, graph_id):
            yield None if graph_id is None else PostgresGraphTables(connection, key, graph_id)


class PostgresGraphTables:
    """graphmill.export.GraphTables within the transaction of `connection`."""

    def __init__(
        self,
        connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]",
        key: CollectionKey,
        graph_id: int,
    ) -> None:
        self._connection = connection
        self._key = key
        self._graph_id = graph_id

    async def rows(self, table: str) -> AsyncIterator[dict[str, Any]]:
        prefetch = _PREFETCH.get(table, _DEFAULT_PREFETCH)
        if query := _GRAPH_QUERIES.get(table):
            cursor = self._connection.cursor(query, self._graph_id, prefetch=prefetch)
        else:
            cursor = self._connection.cursor(
                _COLLECTION_QUERIES[table],
                self._graph_id,
                self._key.tenant,
                self._key.name,
                prefetch=prefetch,
            )
        async for record in cursor:
            row: dict[str, Any] = dict(record)
            if table == "community_reports":
                row["findings"] = [
                    {"explanation": finding["explanation"], "summary": finding["summary"]}
                    for finding in json.loads(row["findings"])
                ]
            elif table == "documents":
                row["raw_data"] = _raw_data(record)
                row["creation_date"] = record["creation_date"].isoformat()
            yield {name: row[name] for name in TABLES[table]}


def _raw_data(record: asyncpg.Record) -> str:
    return json.dumps(
        {
            "name": record["name"],
            "format": record["format"],
            "sha256": record["version"].hex(),
            "size": record["size"],
            "pages": record["pages"],
        },
        ensure_ascii=False,
    )
