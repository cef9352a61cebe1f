"""A published graph of a given size, made of nothing that was read: rows by COPY."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np

from graphmill.embedding import LocalEmbedder
from graphmill.ids import content_id
from graphmill.messages import ENTITY_DESCRIPTION, TEXT_UNIT_TEXT
from graphmill.models import CollectionKey
from graphmill.settings import PruneSettings
from graphmill.stores.postgres.embeddings import PostgresEmbeddingStore
from graphmill.stores.postgres.graph import PostgresGraphStore

_MENTIONED = 5  # entities of a text unit
_UNITS_PER_DOCUMENT = 10
_DIMENSIONS = 256
_PAGE = 5_000
_CONNECTING = "met saw built wrote took left found gave held kept made".split()


@dataclass(frozen=True, slots=True)
class Shape:
    """As many text units as entities."""

    entities: int
    relationships: int


def title_of(number: int) -> str:
    """Two made-up words: 100,000 entities share some 900."""
    return f"{_word(number // 317)} {_word(number % 317)}".upper()


def _word(number: int) -> str:
    return "".join("bdfgklmnprst"[d] + "aeiou"[d % 5] for d in _digits(number + 12))


def _digits(number: int) -> list[int]:
    digits: list[int] = []
    while number:
        number, digit = divmod(number, 12)
        digits.append(digit)
    return digits


async def publish_large_graph(pool: asyncpg.Pool, key: CollectionKey, shape: Shape) -> int:
    """Entities come in text units as words do: few in many, most in few."""
    chance = np.random.default_rng(1)
    of = (key.tenant, key.name)
    await pool.execute("INSERT INTO collections (tenant, name) VALUES ($1, $2)", *of)
    graph: int = await pool.fetchval(
        "INSERT INTO graphs (tenant, collection, digest) VALUES ($1, $2, 'large') RETURNING id", *of
    )
    drawn = (shape.entities * chance.random((shape.entities, _MENTIONED)) ** 1.7).astype(int)
    mentions: list[list[int]] = [sorted(set(row)) for row in drawn.tolist()]
    units: list[list[int]] = [[] for _ in range(shape.entities)]
    for unit, mentioned in enumerate(mentions):
        for entity in mentioned:
            units[entity].append(unit)
    ids = [content_id("unit", number) for number in range(shape.entities)]
    await _documents(pool, key, graph, shape.entities // _UNITS_PER_DOCUMENT + 1)
    await _text_units(pool, key, graph, ids, mentions)
    await _entities(pool, key, graph, ids, units)
    await _relationships(pool, key, graph, ids, shape)
    store, model = PostgresEmbeddingStore(pool), LocalEmbedder().model
    for index, embedded in (
        (TEXT_UNIT_TEXT, ids),
        (ENTITY_DESCRIPTION, [_embedding_id(n) for n in range(shape.entities)]),
    ):
        for start in range(0, len(embedded), _PAGE):
            page = embedded[start : start + _PAGE]
            rows = chance.standard_normal((len(page), _DIMENSIONS)).astype(np.float32)
            await store.upsert_vectors(
                key, index, model, list(zip(page, rows.tolist(), strict=True))
            )
    await PostgresGraphStore(pool, PruneSettings()).publish_graph(key, graph, "", ("person", "geo"))
    await pool.execute("ANALYZE")
    return graph


async def _copy(
    pool: asyncpg.Pool, table: str, columns: str, rows: Sequence[tuple[Any, ...]]
) -> None:
    async with pool.acquire() as connection:
        for start in range(0, len(rows), _PAGE):
            await connection.copy_records_to_table(
                table, columns=columns.split(), records=rows[start : start + _PAGE]
            )


def _document_id(number: int) -> UUID:
    return content_id("document", number)


def _entity_id(number: int) -> UUID:
    return content_id("entity", title_of(number))


def _embedding_id(number: int) -> UUID:
    return content_id("embedding", number)


async def _documents(pool: asyncpg.Pool, key: CollectionKey, graph: int, count: int) -> None:
    name = [f"{number:06}.txt" for number in range(count)]
    ids = [_document_id(number) for number in range(count)]
    await pool.execute(
        "INSERT INTO documents (tenant, collection, id, name, version, size, creation_date, state,"
        " parsed) SELECT $1, $2, id, name, sha256(name::bytea), 1, '2024-01-01', 'done', 'read'"
        " FROM unnest($3::uuid[], $4::text[]) AS d (id, name)",
        key.tenant,
        key.name,
        ids,
        name,
    )
    await pool.execute(
        "INSERT INTO parsed_documents SELECT tenant, collection, id, parsed, 'text', name, '', 1"
        " FROM documents WHERE tenant = $1 AND collection = $2",
        key.tenant,
        key.name,
    )
    await pool.execute(
        "INSERT INTO graph_documents (tenant, graph_id, document_id, human_readable_id, name,"
        " version, size, creation_date, parsed)"
        " SELECT tenant, $3, id, row_number() OVER (ORDER BY id), name, version, size,"
        " creation_date, parsed FROM documents WHERE tenant = $1 AND collection = $2",
        key.tenant,
        key.name,
        graph,
    )


async def _text_units(
    pool: asyncpg.Pool,
    key: CollectionKey,
    graph: int,
    ids: Sequence[UUID],
    mentions: Sequence[Sequence[int]],
) -> None:
    def text(mentioned: Sequence[int]) -> str:
        return ". ".join(
            f"{title_of(one).title()} {_CONNECTING[one % len(_CONNECTING)]}"
            f" {title_of(other).title()}"
            for one, other in pairwise(mentioned)
        )

    documents = [_document_id(number // _UNITS_PER_DOCUMENT) for number in range(len(ids))]
    await _copy(
        pool,
        "text_units",
        "tenant collection id document_id position text n_tokens",
        [
            (key.tenant, key.name, id, documents[n], n % _UNITS_PER_DOCUMENT, text(mentions[n]), 60)
            for n, id in enumerate(ids)
        ],
    )
    await _copy(
        pool,
        "graph_text_units",
        "tenant graph_id text_unit_id document_id human_readable_id entity_ids",
        [
            (key.tenant, graph, id, documents[n], n, [_entity_id(e) for e in mentions[n]])
            for n, id in enumerate(ids)
        ],
    )


async def _entities(
    pool: asyncpg.Pool,
    key: CollectionKey,
    graph: int,
    ids: Sequence[UUID],
    units: Sequence[Sequence[int]],
) -> None:
    await _copy(
        pool,
        "entities",
        "tenant graph_id id human_readable_id title type description text_unit_ids frequency degree"
        " embedding_id",
        [
            (
                key.tenant,
                graph,
                _entity_id(number),
                number,
                title_of(number),
                ("person", "geo", "thing")[number % 3],
                f"{title_of(number).title()} is told of in {len(held)} places. " * 3,
                [ids[unit] for unit in held],
                len(held),
                10,
                _embedding_id(number),
            )
            for number, held in enumerate(units)
        ],
    )


async def _relationships(
    pool: asyncpg.Pool, key: CollectionKey, graph: int, ids: Sequence[UUID], shape: Shape
) -> None:
    chance = np.random.default_rng(2)
    ends = (shape.entities * chance.random((shape.relationships * 2, 2)) ** 1.7).astype(int)
    pairs = {(min(a, b), max(a, b)) for a, b in ends.tolist() if a != b}
    rows: list[tuple[Any, ...]] = []
    every = max(1, len(pairs) // shape.relationships)
    for number, (one, other) in enumerate(sorted(pairs)[::every]):
        source, target = sorted((title_of(one), title_of(other)))
        rows.append(
            (
                key.tenant,
                graph,
                content_id("relationship", source, target),
                number,
                source,
                target,
                f"{source.title()} and {target.title()} were seen together.",
                1.0 + number % 7,
                20,
                [ids[number % len(ids)]],
            )
        )
    await _copy(
        pool,
        "relationships",
        "tenant graph_id id human_readable_id source target description weight combined_degree"
        " text_unit_ids",
        rows[: shape.relationships],
    )
