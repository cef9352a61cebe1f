"""What nothing points to any more once a graph is published: deleted in the same transaction.

A collection has millions of rows, of which few go. So each statement finds the keys of what goes in
indexes alone, and reads rows of the table for these only.
"""

from asyncpg.pool import PoolConnectionProxy

from graphmill.messages import COMMUNITY_FULL_CONTENT, ENTITY_DESCRIPTION, TEXT_UNIT_TEXT
from graphmill.models import CollectionKey


async def delete_unreferenced(
    connection: PoolConnectionProxy, key: CollectionKey, graph_id: int, embeddings: str
) -> None:
    """`graph_id`: the published graph, `embeddings`: the endpoint's model that it is embedded
    with, "" for the local one."""
    for statement in (_TEXT_UNITS, _PARSED_DOCUMENTS, *_NOT_THERE):
        await connection.execute(statement, key.tenant, key.name, graph_id)
    for statement in (_OTHER_VECTORS, _CLOSED_GAPS):
        await connection.execute(statement, key.tenant, key.name, embeddings)


# Whether what is embedded is still there: of text units, whoever has them, of the rest in the
# published graph ($3).
_STILL_THERE = {
    TEXT_UNIT_TEXT: "FROM text_units t WHERE t.tenant = $1 AND t.collection = $2 AND t.id = v.id"
    " AND $3::bigint IS NOT NULL",
    ENTITY_DESCRIPTION: "FROM entities e WHERE e.graph_id = $3 AND e.embedding_id = v.id",
    COMMUNITY_FULL_CONTENT: "FROM community_reports r WHERE r.graph_id = $3"
    " AND r.embedding_id = v.id",
}

# Replaced or deleted before this graph was merged; those deleted since are still part of it.
_TEXT_UNITS = """
    DELETE FROM text_units t WHERE tenant = $1 AND collection = $2 AND NOT live AND NOT EXISTS (
        SELECT FROM graph_text_units g WHERE g.graph_id = $3 AND g.text_unit_id = t.id)
    """

# What was read of such documents.
_PARSED_DOCUMENTS = """
    DELETE FROM parsed_documents p WHERE tenant = $1 AND collection = $2 AND NOT EXISTS (
        SELECT FROM documents d WHERE d.tenant = $1 AND d.collection = $2
        AND d.id = p.document_id AND d.parsed = p.digest
    ) AND NOT EXISTS (
        SELECT FROM graph_documents g WHERE g.graph_id = $3
        AND g.document_id = p.document_id AND g.parsed = p.digest)
    """


def _delete(table: str, which: str) -> str:
    """Of vectors or embedding_gaps, rows `which` (v) is true of.

    A DELETE of what a condition finds reads every vector of the collection, since it has to know
    where the rows are; a SELECT of keys does with their index.
    """
    return f"""
    WITH gone AS (
        SELECT v.vector_index, v.model, array_agg(v.id) AS ids FROM {table} v
        WHERE v.tenant = $1 AND v.collection = $2 AND {which}
        GROUP BY v.vector_index, v.model
    )
    DELETE FROM {table} d USING gone, unnest(gone.ids) AS one (id)
    WHERE d.tenant = $1 AND d.collection = $2
    AND d.vector_index = gone.vector_index AND d.model = gone.model AND d.id = one.id
    """


_NOT_THERE = tuple(
    _delete(table, f"v.vector_index = '{index}' AND NOT EXISTS (SELECT {still_there})")
    for table in ("vectors", "embedding_gaps")
    for index, still_there in _STILL_THERE.items()
)

# Vectors by another model than the published graph's: by any other, where that is an endpoint's; by
# those of endpoints, where it is the local one.
_OTHER_VECTORS = _delete(
    "vectors",
    "v.model <> $3 AND ($3 <> '' OR v.model IN ("
    "SELECT d.model FROM vector_dimensions d WHERE d.tenant = $1))",
)

# What is told of texts that have a vector by now, or of another model's.
_CLOSED_GAPS = """
    DELETE FROM embedding_gaps g WHERE tenant = $1 AND collection = $2 AND (
        model <> $3 OR reason <> '' AND EXISTS (
            SELECT FROM vectors v WHERE v.tenant = $1 AND v.collection = $2
            AND v.vector_index = g.vector_index AND v.model = g.model AND v.id = g.id))
    """
