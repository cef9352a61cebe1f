"""Tables of many collections, filled by the server itself: to see how statements are planned, and
how long they take, where there is much of everything.

Each collection has a published graph. Its texts are words of a vocabulary of 5,000; nothing in it
is what indexing would make of such texts, but how many rows there are and where they point to is.
"""

from dataclasses import dataclass

import asyncpg

from graphmill.models import CollectionKey


@dataclass(frozen=True, slots=True)
class Shape:
    """`collections`: each of a tenant of its own, all alike."""

    collections: int = 20
    documents: int = 40
    text_units: int = 6  # of a document
    words: int = 12  # of a text unit
    entities: int = 200
    relationships: int = 400
    communities: int = 30
    dimensions: int = 8


def key_of(number: int) -> CollectionKey:
    return CollectionKey(f"tenant-{number:03}", "papers")


async def fill(connection: asyncpg.Connection, shape: Shape) -> None:
    """The connection is of who owns the tables."""
    sizes = {name: int(getattr(shape, name)) for name in Shape.__annotations__}
    has_tenant = await _has_tenant(connection)
    of_graph, graph = ("tenant, graph_id", "tenant, g.id") if has_tenant else ("graph_id", "g.id")
    async with connection.transaction():
        for statement in _STATEMENTS:
            await connection.execute(statement.format(of_graph=of_graph, graph=graph, **sizes))
    # Not within: it reads what is committed. Everything, as autovacuum has it after a while.
    await connection.execute("VACUUM (ANALYZE, SKIP_LOCKED)")


async def _has_tenant(connection: asyncpg.Connection) -> bool:
    """Whether rows of graphs name their tenant."""
    return await connection.fetchval(
        "SELECT EXISTS (SELECT FROM pg_attribute WHERE attname = 'tenant'"
        " AND attrelid = 'graph_text_units'::regclass)"
    )


# Ids are md5 of what they are, so that each statement makes those of the others again.
_COLLECTIONS = (
    "(SELECT c, 'tenant-' || to_char(c, 'FM000') AS tenant, 'papers' AS collection"
    " FROM generate_series(1, {collections}) AS c) AS of"
)
_GRAPHS = _COLLECTIONS + " JOIN graphs g USING (tenant, collection)"
_DOCUMENT = "md5('document' || d)::uuid"
_UNIT = "md5('unit' || d || '/' || u)::uuid"
_UNITS = "generate_series(1, {documents}) AS d, generate_series(1, {text_units}) AS u"
_ENTITY = "md5('entity' || {})::uuid"
_DIGEST = "sha256(('document' || d)::bytea)"
# Of a text unit: five entities.
_MENTIONED = "1 + (d * {{text_units}} + u + {} * 37) % {{entities}}"
_ENTITY_IDS = "ARRAY[" + ", ".join(_ENTITY.format(_MENTIONED.format(n)) for n in range(5)) + "]"
_TITLES = "ARRAY[" + ", ".join(f"'ENTITY ' || ({_MENTIONED.format(n)})" for n in range(5)) + "]"
_VECTOR = (
    "(SELECT array_agg(sin({} * n)::real) FROM generate_series(1, {{dimensions}}) AS n)::vector"
)

_STATEMENTS = (
    f"INSERT INTO collections (tenant, name) SELECT tenant, collection FROM {_COLLECTIONS}",
    f"""
    INSERT INTO graphs (tenant, collection, digest, published)
    SELECT tenant, collection, '', true FROM {_COLLECTIONS}
    """,
    """
    UPDATE collections c SET graph_id = g.id FROM graphs g
    WHERE g.tenant = c.tenant AND g.collection = c.name
    """,
    f"""
    INSERT INTO documents (tenant, collection, id, name, version, size, creation_date, state,
        recipe, read_by, parsed)
    SELECT tenant, collection, {_DOCUMENT}, 'folder/' || to_char(d, 'FM000000') || '.md', {_DIGEST},
        5000, '2024-01-02', CASE WHEN d % 10 = 0 THEN 'pending' ELSE 'done' END, 'r', 'r', {_DIGEST}
    FROM {_COLLECTIONS}, generate_series(1, {{documents}}) AS d
    """,
    f"""
    INSERT INTO parsed_documents
    SELECT tenant, collection, {_DOCUMENT}, {_DIGEST}, 'md', 'Title ' || d, 'text', 1
    FROM {_COLLECTIONS}, generate_series(1, {{documents}}) AS d
    """,
    f"""
    INSERT INTO contents
    SELECT tenant, collection, {_DIGEST}, 0, 'bytes' FROM {_COLLECTIONS},
        generate_series(1, {{documents}}) AS d
    """,
    f"""
    INSERT INTO text_units (tenant, collection, id, document_id, position, text, n_tokens)
    SELECT tenant, collection, {_UNIT}, {_DOCUMENT}, u,
        (SELECT string_agg('word' || (c * 31 + d * 7 + u * 11 + n * n * 13) % 5000, ' ')
         FROM generate_series(1, {{words}}) AS n), {{words}}
    FROM {_COLLECTIONS}, {_UNITS}
    """,
    f"""
    INSERT INTO extractions
    SELECT tenant, collection, {_UNIT}, {_TITLES}, '{{{{"", "", "", "", ""}}}}',
        '{{{{1, 1, 1, 1, 1}}}}', '{{{{0, 0, 0, 0, 0}}}}', '{{{{0, 1}}}}', '{{{{2, 3}}}}',
        '{{{{1, 1}}}}', '{{{{0, 0}}}}', '{{{{0}}}}', '{{{{9}}}}'
    FROM {_COLLECTIONS}, {_UNITS}
    """,
    f"""
    INSERT INTO model_extractions
    SELECT tenant, collection, {_UNIT}, 'asked', '', {_TITLES}, '{{{{"", "", "", "", ""}}}}',
        '{{{{0}}}}', '{{{{one}}}}', '{{{{0}}}}', '{{{{1}}}}', '{{{{""}}}}', '{{{{meets}}}}',
        '{{{{8}}}}', '{{{{}}}}', 0
    FROM {_COLLECTIONS}, {_UNITS}
    """,
    f"""
    INSERT INTO graph_documents ({{of_graph}}, document_id, human_readable_id, name, version, size,
        creation_date, parsed)
    SELECT {{graph}}, {_DOCUMENT}, d, 'folder/' || to_char(d, 'FM000000') || '.md', {_DIGEST}, 5000,
        '2024-01-02', {_DIGEST}
    FROM {_GRAPHS}, generate_series(1, {{documents}}) AS d
    """,
    f"""
    INSERT INTO graph_text_units ({{of_graph}}, text_unit_id, document_id, human_readable_id,
        entity_ids)
    SELECT {{graph}}, {_UNIT}, {_DOCUMENT}, d * {{text_units}} + u, {_ENTITY_IDS}
    FROM {_GRAPHS}, {_UNITS}
    """,
    f"""
    INSERT INTO entities ({{of_graph}}, id, human_readable_id, title, type, description,
        text_unit_ids, frequency, degree, embedding_id)
    SELECT {{graph}}, {_ENTITY.format("e")}, e, 'ENTITY ' || e, '', 'Something that is said of it.',
        ARRAY[md5('unit1/' || 1 + e % {{text_units}})::uuid], 2 + e % 5, 2, {_ENTITY.format("e")}
    FROM {_GRAPHS}, generate_series(1, {{entities}}) AS e
    """,
    f"""
    INSERT INTO relationships ({{of_graph}}, id, human_readable_id, source, target, description,
        weight, combined_degree, text_unit_ids)
    SELECT {{graph}}, md5('relationship' || r)::uuid, r, 'ENTITY ' || 1 + r % {{entities}},
        'ENTITY ' || 1 + (r * 7 + 1) % {{entities}}, 'They meet.', 1, 4, '{{{{}}}}'
    FROM {_GRAPHS}, generate_series(1, {{relationships}}) AS r
    """,
    f"""
    INSERT INTO communities ({{of_graph}}, id, community, level, parent, children, title,
        entity_ids, relationship_ids, text_unit_ids, period, size)
    SELECT {{graph}}, md5('community' || k)::uuid, k, 0, -1, '{{{{}}}}', 'Community ' || k,
        ARRAY[{_ENTITY.format("1 + k")}], '{{{{}}}}', '{{{{}}}}', '2024-01-02', 1
    FROM {_GRAPHS}, generate_series(0, {{communities}} - 1) AS k
    """,
    f"""
    INSERT INTO community_reports ({{of_graph}}, id, community, level, parent, children, title,
        summary, full_content, rank, rating_explanation, findings, full_content_json, period, size,
        embedding_id)
    SELECT {{graph}}, md5('report' || k)::uuid, k, 0, -1, '{{{{}}}}', 'Report ' || k, 'summary',
        'content', 1, '', '[]', '{{{{}}}}', '2024-01-02', 1, md5('report' || k)::uuid
    FROM {_GRAPHS}, generate_series(0, {{communities}} - 1) AS k
    """,
    f"""
    INSERT INTO vectors
    SELECT tenant, collection, 'text_unit_text', '', {_UNIT}, {_VECTOR.format("(d * 97 + u)")}
    FROM {_COLLECTIONS}, {_UNITS}
    UNION ALL
    SELECT tenant, collection, 'entity_description', '', {_ENTITY.format("e")},
        {_VECTOR.format("e")}
    FROM {_COLLECTIONS}, generate_series(1, {{entities}}) AS e
    UNION ALL
    SELECT tenant, collection, 'community_full_content', '', md5('report' || k)::uuid,
        {_VECTOR.format("k")}
    FROM {_COLLECTIONS}, generate_series(0, {{communities}} - 1) AS k
    """,
    f"""
    INSERT INTO text_vectors (tenant, key, model, collection, endpoint, embedding)
    SELECT tenant, sha256(('text' || d || '/' || u)::bytea), 'vectors-1', collection, 'one',
        {_VECTOR.format("(d * 97 + u)")}
    FROM {_COLLECTIONS}, {_UNITS}
    """,
    f"""
    INSERT INTO runs (id, tenant, collection, workflow_id, method, state, phase)
    SELECT md5('run' || c || '/' || r)::uuid, tenant, collection, 'index', 'fast',
        CASE WHEN r = 20 THEN 'running' ELSE 'completed' END, 'documents'
    FROM {_COLLECTIONS}, generate_series(1, 20) AS r
    """,
    f"""
    INSERT INTO model_calls (tenant, key, attempt, valid, answer, collection, run_id, document_id,
        step, model, endpoint, prompt_tokens, completion_tokens, nano_usd)
    SELECT tenant, sha256(('question' || c || '/' || d || '/' || u)::bytea), 0, true, 'answer',
        collection, md5('run' || c || '/1')::uuid, {_DOCUMENT}, 'extract_graph', 'model', 'one', 9,
        9, 9
    FROM {_COLLECTIONS}, {_UNITS}
    """,
)
