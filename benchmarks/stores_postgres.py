"""Rows into PostgreSQL: as runs write them, and by asyncpg alone into the same tables."""

import asyncio
import json
import random
from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

import asyncpg

from benchmarks.rates import Rate, measure_rate
from benchmarks.workloads import Workload, long_workload
from graphmill.ids import community_embedding_id, content_id, document_id
from graphmill.messages import TEXT_UNIT_TEXT
from graphmill.models import CollectionKey, CommunityReport, Finding, ProcessedDocument
from graphmill.processing import ProcessSettings, process_document
from graphmill.reports import embedded_content
from graphmill.settings import ChunkSettings, LimitSettings
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.database import close_pool, open_pool
from graphmill.stores.postgres.embeddings import PostgresEmbeddingStore
from graphmill.stores.postgres.indexing import PostgresIndexingStore
from graphmill.stores.postgres.reports import write_reports
from tests.support.corpus import Passage

_KEY = CollectionKey("default", "rates")
_DIMENSIONS = 256
_TOGETHER = 500  # vectors a call, as activities/embeddings.py
_REPORTS_TOGETHER = 100
_MODEL = "model"
_Row = tuple[Any, ...]

_TEXT_UNITS = "tenant, collection, id, document_id, position, text, n_tokens, first_page, last_page"
_EXTRACTIONS = (
    "tenant, collection, text_unit_id, titles, types, counts, entity_sentences, sources, targets,"
    " weights, relationship_sentences, sentence_starts, sentence_ends"
)
_VECTORS = "tenant, collection, vector_index, model, id, embedding"


class Sizes(Protocol):
    @property
    def documents(self) -> int: ...
    @property
    def vectors(self) -> int: ...
    @property
    def reports(self) -> int: ...
    @property
    def rounds(self) -> int: ...


async def measure_postgres(url: str, passages: Sequence[Passage], sizes: Sizes) -> list[Rate]:
    """Documents with their text units and extractions, vectors, reports."""
    pool = await open_pool(url, 1)
    try:
        await PostgresCatalog(pool).create_collection(_KEY)
        return [
            await _documents(pool, long_workload(passages, sizes.documents), sizes.rounds),
            await _vectors(pool, sizes.vectors, sizes.rounds),
            await _reports(pool, sizes.reports, sizes.rounds),
        ]
    finally:
        await close_pool(pool)


async def _documents(pool: asyncpg.Pool, workload: Workload, rounds: int) -> Rate:
    read = await asyncio.to_thread(_read_all, workload)
    units = [_text_units(document) for document in read]
    found = [_extractions(document) for document in read]
    store = PostgresIndexingStore(pool)

    async def empty() -> None:
        await pool.execute("TRUNCATE documents, parsed_documents, text_units CASCADE")
        await PostgresCatalog(pool).upload(_KEY, workload.uploads)
        await store.next_page(_KEY, 0, 1)

    async def save() -> None:
        for upload, document in zip(workload.uploads, read, strict=True):
            stored = await store.load_document(_KEY, document_id(upload.name))
            assert stored is not None
            assert await store.save_processed(_KEY, stored, document, b"read", b"recipe")

    async def insert() -> None:
        for of_units, of_found in zip(units, found, strict=True):
            async with pool.acquire() as connection, connection.transaction():
                await connection.executemany(_insert("text_units", _TEXT_UNITS), of_units)
                await connection.executemany(_insert("extractions", _EXTRACTIONS), of_found)

    async def copy() -> None:
        for of_units, of_found in zip(units, found, strict=True):
            async with pool.acquire() as connection, connection.transaction():
                await _copy(connection, "text_units", _TEXT_UNITS, of_units)
                await _copy(connection, "extractions", _EXTRACTIONS, of_found)

    rows = 2 * sum(map(len, units))
    words = "text units and extractions, a document a transaction"
    return await measure_rate(
        words, rows, rounds, empty, save, {"executemany": insert, "COPY": copy}
    )


def _read_all(workload: Workload) -> list[ProcessedDocument]:
    chunk = ChunkSettings()
    settings = ProcessSettings(chunk.size, chunk.overlap, LimitSettings())
    return [
        process_document(data, upload.name, settings)
        for data, upload in zip(workload.texts, workload.uploads, strict=True)
    ]


def _text_units(document: ProcessedDocument) -> list[_Row]:
    return [
        (
            _KEY.tenant,
            _KEY.name,
            unit.id,
            unit.document_id,
            unit.position,
            unit.text,
            unit.n_tokens,
            unit.first_page,
            unit.last_page,
        )
        for unit in document.text_units
    ]


def _extractions(document: ProcessedDocument) -> list[_Row]:
    return [
        (
            _KEY.tenant,
            _KEY.name,
            unit.id,
            found.titles,
            found.types,
            found.counts,
            found.entity_sentences,
            found.sources,
            found.targets,
            found.weights,
            found.relationship_sentences,
            found.sentence_starts,
            found.sentence_ends,
        )
        for unit, found in zip(document.text_units, document.extractions, strict=True)
    ]


async def _vectors(pool: asyncpg.Pool, count: int, rounds: int) -> Rate:
    chance = random.Random(1)
    vectors: list[tuple[UUID, list[float]]] = [
        (content_id("vector", number), [chance.random() for _ in range(_DIMENSIONS)])
        for number in range(count)
    ]
    pages = [vectors[start : start + _TOGETHER] for start in range(0, count, _TOGETHER)]
    store = PostgresEmbeddingStore(pool)

    async def empty() -> None:
        await pool.execute("TRUNCATE vectors")

    async def upsert() -> None:
        for page in pages:
            await store.upsert_vectors(_KEY, TEXT_UNIT_TEXT, _MODEL, page)

    def rows(page: Sequence[tuple[UUID, list[float]]]) -> list[_Row]:
        return [(_KEY.tenant, _KEY.name, TEXT_UNIT_TEXT, _MODEL, *pair) for pair in page]

    async def insert() -> None:
        # What the driver knows of vectors without a codec: arrays of floats.
        statement = f"INSERT INTO vectors ({_VECTORS}) VALUES ($1, $2, $3, $4, $5, $6::real[])"
        for page in pages:
            await pool.executemany(statement, rows(page))

    async def copy() -> None:
        # The store's codec is the connection's, and there is but one.
        for page in pages:
            async with pool.acquire() as connection:
                await _copy(connection, "vectors", _VECTORS, rows(page))

    words = f"vectors of {_DIMENSIONS} dimensions, {_TOGETHER} a call"
    return await measure_rate(
        words, count, rounds, empty, upsert, {"executemany, real[]": insert, "COPY": copy}
    )


async def _reports(pool: asyncpg.Pool, count: int, rounds: int) -> Rate:
    graph_id: int = await pool.fetchval(
        "INSERT INTO graphs (tenant, collection, digest) VALUES ($1, $2, '') RETURNING id",
        _KEY.tenant,
        _KEY.name,
    )
    reports = [_report(number) for number in range(count)]
    pages = [
        reports[start : start + _REPORTS_TOGETHER] for start in range(0, count, _REPORTS_TOGETHER)
    ]
    # By name: not every column is one that the bare driver has to know of.
    columns = (
        "tenant, graph_id, id, community, level, parent, children, title, summary, full_content,"
        " rank, rating_explanation, findings, full_content_json, period, size, embedding_id"
    )

    async def empty() -> None:
        await pool.execute("TRUNCATE community_reports")

    async def write() -> None:
        for page in pages:
            await write_reports(pool, graph_id, page)

    async def insert() -> None:
        for page in pages:
            await pool.executemany(
                _insert("community_reports", columns), [_report_row(graph_id, r) for r in page]
            )

    async def copy() -> None:
        for page in pages:
            async with pool.acquire() as connection:
                rows = [_report_row(graph_id, r) for r in page]
                await _copy(connection, "community_reports", columns, rows)

    words = f"reports, {_REPORTS_TOGETHER} a call"
    return await measure_rate(
        words, count, rounds, empty, write, {"executemany": insert, "COPY": copy}
    )


def _report(number: int) -> CommunityReport:
    return CommunityReport(
        id=content_id("report", number),
        community=number,
        level=0,
        parent=-1,
        children=(),
        title=f"Community {number}",
        summary="What it is about. " * 20,
        full_content=f"# Community {number}\n\n" + "What is said of it in a sentence. " * 100,
        rank=5.0,
        rating_explanation="It matters so much.",
        findings=tuple(Finding(f"Finding {n}", "Because of this. " * 20) for n in range(5)),
        full_content_json="{}",
        period="2024-01-01",
        size=10,
    )


def _report_row(graph_id: int, report: CommunityReport) -> _Row:
    findings = [{"summary": f.summary, "explanation": f.explanation} for f in report.findings]
    return (
        _KEY.tenant,
        graph_id,
        report.id,
        report.community,
        report.level,
        report.parent,
        report.children,
        report.title,
        report.summary,
        report.full_content,
        report.rank,
        report.rating_explanation,
        json.dumps(findings, ensure_ascii=False),
        report.full_content_json,
        report.period,
        report.size,
        community_embedding_id(embedded_content(report.full_content)),
    )


def _insert(table: str, columns: str) -> str:
    marks = ", ".join(f"${number}" for number in range(1, columns.count(",") + 2))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks})"


async def _copy(
    connection: asyncpg.pool.PoolConnectionProxy, table: str, columns: str, rows: Sequence[_Row]
) -> None:
    await connection.copy_records_to_table(table, columns=columns.split(", "), records=rows)
