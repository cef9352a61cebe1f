"""Collections for the suites: documents whose extractions a test writes down itself."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg

from graphmill.ids import document_id, text_unit_id
from graphmill.index_request import IndexRequest
from graphmill.messages import OpenRun
from graphmill.models import (
    CollectionKey,
    Extraction,
    Method,
    Page,
    ParsedDocument,
    ProcessedDocument,
    TextUnit,
)
from graphmill.stores.postgres.indexing import PostgresIndexingStore

KEY = CollectionKey("default", "sample")
RECIPE = b"recipe"
READ_BY = b"reading"


async def upload(
    pool: asyncpg.Pool, contents: Mapping[str, bytes], key: CollectionKey = KEY
) -> None:
    """New and changed documents, as the catalog writes them."""
    await pool.execute(
        "INSERT INTO collections (tenant, name) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        key.tenant,
        key.name,
    )
    for name, data in contents.items():
        await pool.execute(
            "INSERT INTO documents (tenant, collection, id, name, version, size, creation_date)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, collection, id) DO UPDATE"
            " SET version = excluded.version, size = excluded.size, state = 'uploaded',"
            " reason = '', queue_position = nextval('queue_positions')",
            key.tenant,
            key.name,
            document_id(name),
            name,
            hashlib.sha256(data).digest(),
            len(data),
            datetime(2024, 1, 2, tzinfo=UTC),
        )


async def open_run(pool: asyncpg.Pool, key: CollectionKey = KEY, *, force: bool = False) -> UUID:
    run_id = uuid4()
    request = IndexRequest(key.name, key.tenant, force_rebuild=force)
    opening = OpenRun(run_id, "index/x/y", request)
    await PostgresIndexingStore(pool).open_run(opening, Method.FAST, RECIPE)
    return run_id


async def states(pool: asyncpg.Pool, key: CollectionKey = KEY) -> dict[str, str]:
    """Each document's state, with its reason where it has one."""
    rows = await pool.fetch(
        "SELECT name, state, reason FROM documents WHERE tenant = $1 AND collection = $2",
        key.tenant,
        key.name,
    )
    return {row["name"]: f"{row['state']} {row['reason']}".strip() for row in rows}


def processed(
    name: str,
    units: Sequence[Mapping[tuple[str, ...], int]],
    types: Mapping[str, str] | None = None,
) -> ProcessedDocument:
    """A document of text units; each unit maps a group of titles to how many sentences hold it.

    The unit's text is its sentences, "A B." for the group (A, B).
    """
    id = document_id(name)
    found = [_unit(id, position, groups, types or {}) for position, groups in enumerate(units)]
    text = "\n".join(unit.text for unit, _ in found)
    return ProcessedDocument(
        ParsedDocument("txt", name, text, (Page(1, 0, len(text)),)),
        tuple(unit for unit, _ in found),
        tuple(extraction for _, extraction in found),
    )


def _unit(
    document: UUID, position: int, groups: Mapping[tuple[str, ...], int], types: Mapping[str, str]
) -> tuple[TextUnit, Extraction]:
    sentences = [group for group, times in groups.items() for _ in range(times)]
    starts: list[int] = []
    ends: list[int] = []
    text = f"{document} {position}:"
    for group in sentences:
        text += " "
        starts.append(len(text))
        text += f"{' '.join(group)}."
        ends.append(len(text))
    titles = sorted({title for group in sentences for title in group})
    pairs = sorted(
        {(a, b) for group in sentences for a in group for b in group if a < b},
    )
    first = {t: next(i for i, g in enumerate(sentences) if t in g) for t in titles}
    extraction = Extraction(
        titles=tuple(titles),
        types=tuple(types.get(title, "") for title in titles),
        counts=tuple(sum(title in group for group in sentences) for title in titles),
        entity_sentences=tuple(first[title] for title in titles),
        sources=tuple(titles.index(a) for a, _ in pairs),
        targets=tuple(titles.index(b) for _, b in pairs),
        weights=tuple(sum(a in g and b in g for g in sentences) for a, b in pairs),
        relationship_sentences=tuple(
            next(i for i, g in enumerate(sentences) if a in g and b in g) for a, b in pairs
        ),
        sentence_starts=tuple(starts),
        sentence_ends=tuple(ends),
    )
    unit = TextUnit(
        text_unit_id(document, position, text), document, position, text, len(text) // 4 + 1, 1, 1
    )
    return unit, extraction


async def index(
    pool: asyncpg.Pool, documents: Mapping[str, ProcessedDocument], key: CollectionKey = KEY
) -> None:
    """Upload, plan and store these documents as a run would."""
    store = PostgresIndexingStore(pool)
    await upload(pool, {name: repr(doc).encode() for name, doc in documents.items()}, key)
    await store.next_page(key, 0, 1000)
    for name, document in documents.items():
        stored = await store.load_document(key, document_id(name))
        assert stored is not None
        assert await store.save_processed(key, stored, document, READ_BY, RECIPE)
