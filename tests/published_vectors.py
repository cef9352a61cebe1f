"""A published graph of nothing but what has the vectors that a test gives."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import asyncpg

from graphmill.embedding import LocalEmbedder
from graphmill.ids import content_id
from graphmill.messages import COMMUNITY_FULL_CONTENT, ENTITY_DESCRIPTION, TEXT_UNIT_TEXT
from graphmill.models import CollectionKey
from graphmill.settings import PruneSettings
from graphmill.stores.postgres.embeddings import PostgresEmbeddingStore
from graphmill.stores.postgres.graph import PostgresGraphStore

Vectors = Mapping[str, Mapping[UUID, Sequence[float]]]
"""By vector index, then by the id of what is embedded."""


def number(value: int) -> UUID:
    """An id like those made from content; the same for the same number."""
    return content_id("test", value)


async def publish_vectors(
    pool: asyncpg.Pool, key: CollectionKey, vectors: Vectors, model: str = ""
) -> int:
    """`model`: an endpoint's; "": the local one, whose vectors may be any here. Gives the graph."""
    graph = await add_graph(pool, key, {index: tuple(rows) for index, rows in vectors.items()})
    await add_vectors(pool, key, vectors, model)
    await publish(pool, key, graph, model)
    return graph


async def publish(pool: asyncpg.Pool, key: CollectionKey, graph: int, model: str = "") -> None:
    await PostgresGraphStore(pool, PruneSettings()).publish_graph(key, graph, model)


async def add_vectors(
    pool: asyncpg.Pool, key: CollectionKey, vectors: Vectors, model: str = ""
) -> None:
    store = PostgresEmbeddingStore(pool)
    if model:
        dimension = next((len(v) for rows in vectors.values() for v in rows.values()), 1)
        await pool.execute(
            "INSERT INTO vector_dimensions (tenant, model, dimensions) VALUES ($1, $2, $3)"
            " ON CONFLICT DO NOTHING",
            key.tenant,
            model,
            dimension,
        )
    for index, rows in vectors.items():
        await store.upsert_vectors(
            key, index, model or LocalEmbedder().model, [(id, v) for id, v in rows.items()]
        )


async def add_graph(
    pool: asyncpg.Pool, key: CollectionKey, embedded: Mapping[str, Sequence[UUID]]
) -> int:
    """Text units, entities and reports whose vectors have these ids."""
    await pool.execute(
        "INSERT INTO collections (tenant, name) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        key.tenant,
        key.name,
    )
    graph = await pool.fetchval(
        "INSERT INTO graphs (tenant, collection, digest) VALUES ($1, $2, 'test') RETURNING id",
        key.tenant,
        key.name,
    )
    units = list(embedded.get(TEXT_UNIT_TEXT, ()))
    await pool.execute(
        "INSERT INTO text_units (tenant, collection, id, document_id, position, text, n_tokens)"
        " SELECT $1, $2, id, $4, 0, 'text', 1 FROM unnest($3::uuid[]) AS id"
        " ON CONFLICT DO NOTHING",
        key.tenant,
        key.name,
        units,
        number(0),
    )
    await pool.execute(
        "INSERT INTO graph_text_units (tenant, graph_id, text_unit_id, document_id,"
        " human_readable_id)"
        " SELECT $4, $1, id, $3, i FROM unnest($2::uuid[]) WITH ORDINALITY AS u (id, i)",
        graph,
        units,
        number(0),
        key.tenant,
    )
    await pool.execute(
        "INSERT INTO entities (tenant, graph_id, id, human_readable_id, title, type, description,"
        " text_unit_ids, frequency, degree, embedding_id)"
        " SELECT $3, $1, content_id('entity', 'E' || i), i, 'E' || i, 'GEO', '', '{}', 1, 0, id"
        " FROM unnest($2::uuid[]) WITH ORDINALITY AS u (id, i)",
        graph,
        list(embedded.get(ENTITY_DESCRIPTION, ())),
        key.tenant,
    )
    await pool.execute(
        "INSERT INTO community_reports (tenant, graph_id, id, community, level, parent, children,"
        " title, summary, full_content, rank, rating_explanation, findings, full_content_json,"
        " period, size, embedding_id)"
        " SELECT $3, $1, id, i, 0, -1, '{}', '', '', '', 1, '', '[]', '', '', 1, id"
        " FROM unnest($2::uuid[]) WITH ORDINALITY AS u (id, i)",
        graph,
        list(embedded.get(COMMUNITY_FULL_CONTENT, ())),
        key.tenant,
    )
    return graph
