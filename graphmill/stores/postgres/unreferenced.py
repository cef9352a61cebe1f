"""What nothing points to any more once a graph is published: deleted in the same transaction.

A collection has millions of rows, of which few go. So the keys of what goes are found in indexes
alone, and rows of the table are read for these only.
"""

from collections import defaultdict
from uuid import UUID

from asyncpg.pool import PoolConnectionProxy

from graphmill.messages import COMMUNITY_FULL_CONTENT, ENTITY_DESCRIPTION, TEXT_UNIT_TEXT
from graphmill.models import CollectionKey


async def delete_unreferenced(
    connection: PoolConnectionProxy, key: CollectionKey, graph_id: int, embeddings: str
) -> None:
    """`graph_id`: the published graph, `embeddings`: the endpoint's model that it is embedded
    with, "" for the local one."""
    await _delete_text_units(connection, key, graph_id)
    await connection.execute(_CLOSED_GAPS, key.tenant, key.name, embeddings)
    # Of tables that were filled just now the planner knows nothing yet: it takes them for small,
    # and would compare each row with each other one.
    await connection.execute("SET LOCAL enable_nestloop = off")
    await connection.execute(_PARSED_DOCUMENTS, key.tenant, key.name, graph_id)
    for table, which, of in (
        *(("vectors", which, graph_id) for which in _NOT_THERE),
        *(("embedding_gaps", which, graph_id) for which in _NOT_THERE),
        ("vectors", _BY_ANOTHER_MODEL, embeddings),
    ):
        # A DELETE of what a condition finds reads every vector of the collection, since it has to
        # know where the rows are; a SELECT of keys does with their index.
        # Found once, and read page by page: where the model has changed, all there are go.
        gone = await connection.cursor(_FIND.format(table=table, which=which), *_of(key), of)
        while rows := await gone.fetch(_PAGE):
            ids: defaultdict[tuple[str, str], list[UUID]] = defaultdict(list)
            for row in rows:
                ids[row["vector_index"], row["model"]].append(row["id"])
            for index_and_model, of_these in ids.items():
                await connection.execute(
                    _DELETE.format(table=table), *_of(key), *index_and_model, of_these
                )
    await connection.execute("RESET enable_nestloop")


async def _delete_text_units(
    connection: PoolConnectionProxy, key: CollectionKey, graph_id: int
) -> None:
    """Those that were replaced or deleted before this graph was merged; those deleted since are
    still part of it."""
    after = UUID(int=0)
    while rows := await connection.fetch(_NOT_LIVE, *_of(key), after, _PAGE):
        ids = [row["id"] for row in rows]
        held = await connection.fetch(_HELD, key.tenant, graph_id, ids)
        gone = set(ids) - {row["text_unit_id"] for row in held}
        if gone:
            await connection.execute(_DELETE_TEXT_UNITS, *_of(key), sorted(gone))
        after = ids[-1]


def _of(key: CollectionKey) -> tuple[str, str]:
    return key.tenant, key.name


_PAGE = 10_000

_NOT_LIVE = """
    SELECT id FROM text_units WHERE tenant = $1 AND collection = $2 AND NOT live AND id > $3
    ORDER BY id LIMIT $4
    """
_HELD = """
    SELECT text_unit_id FROM graph_text_units
    WHERE tenant = $1 AND graph_id = $2 AND text_unit_id = ANY($3::uuid[])
    """
# One may live again since it was looked for: its document was read again.
_DELETE_TEXT_UNITS = """
    DELETE FROM text_units WHERE tenant = $1 AND collection = $2 AND id = ANY($3::uuid[])
    AND NOT live
    """

# Whether what is embedded is still there: of text units, whoever has them, of the rest in the
# published graph ($3).
_STILL_THERE = {
    TEXT_UNIT_TEXT: "FROM text_units t WHERE t.tenant = $1 AND t.collection = $2 AND t.id = v.id"
    " AND $3::bigint IS NOT NULL",
    ENTITY_DESCRIPTION: "FROM entities e WHERE e.graph_id = $3 AND e.embedding_id = v.id",
    COMMUNITY_FULL_CONTENT: "FROM community_reports r WHERE r.graph_id = $3"
    " AND r.embedding_id = v.id",
}

# What was read of such documents.
_PARSED_DOCUMENTS = """
    DELETE FROM parsed_documents p WHERE tenant = $1 AND collection = $2 AND NOT EXISTS (
        SELECT FROM documents d WHERE d.tenant = $1 AND d.collection = $2
        AND d.id = p.document_id AND d.parsed = p.digest
    ) AND NOT EXISTS (
        SELECT FROM graph_documents g WHERE g.tenant = $1 AND g.graph_id = $3
        AND g.document_id = p.document_id AND g.parsed = p.digest)
    """


# Of vectors or embedding_gaps, the keys of rows that something is true of; and their deletion.
_FIND = """
    SELECT v.vector_index, v.model, v.id FROM {table} v
    WHERE v.tenant = $1 AND v.collection = $2 AND {which}
    """
_DELETE = """
    DELETE FROM {table} WHERE tenant = $1 AND collection = $2
    AND vector_index = $3 AND model = $4 AND id = ANY($5::uuid[])
    """

_NOT_THERE = tuple(
    f"v.vector_index = '{index}' AND NOT EXISTS (SELECT {still_there})"
    for index, still_there in _STILL_THERE.items()
)

# Vectors by another model than the published graph's: by any other, where that is an endpoint's; by
# those of endpoints, where it is the local one.
_BY_ANOTHER_MODEL = (
    "v.model <> $3 AND ($3 <> '' OR v.model IN ("
    "SELECT d.model FROM vector_dimensions d WHERE d.tenant = $1))"
)

# What is told of texts that have a vector by now, or of another model's.
_CLOSED_GAPS = """
    DELETE FROM embedding_gaps g WHERE tenant = $1 AND collection = $2 AND (
        model <> $3 OR reason <> '' AND EXISTS (
            SELECT FROM vectors v WHERE v.tenant = $1 AND v.collection = $2
            AND v.vector_index = g.vector_index AND v.model = g.model AND v.id = g.id))
    """
