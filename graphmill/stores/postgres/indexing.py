"""What a run reads and writes in PostgreSQL while documents are indexed (ports.IndexingStore)."""

import hashlib
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from graphmill.errors import NotFound
from graphmill.messages import (
    DocumentPage,
    OpenRun,
    RunRecord,
    WaitingDocument,
)
from graphmill.models import (
    CollectionKey,
    DocumentState,
    Extraction,
    Method,
    ProcessedDocument,
    RunState,
    TextUnit,
)
from graphmill.ports import StoredDocument

# Long enough to know a file by in the Web UI; a page of 100 stays under 50 kB in JSON, where a
# character beyond ASCII takes 6 bytes.
_LABEL_CHARACTERS = 48

# A document is skipped for another one of the same bytes if its reason begins so.
_SAME_AS = "same as: "


class PostgresIndexingStore:
    """Runs, documents, text units and extractions."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def open_run(self, opening: OpenRun, method: Method, recipe: bytes) -> None:
        key, request = opening.request.key, opening.request
        async with self._pool.acquire() as connection, connection.transaction():
            if not await _write_run(connection, opening, method):
                return
            # "same as" documents were never read: they follow the one that is.
            await connection.execute(
                "UPDATE documents"
                " SET state = 'uploaded', queue_position = nextval('queue_positions')"
                " WHERE tenant = $1 AND collection = $2"
                " AND state IN ('done', 'partial', 'failed', 'skipped')"
                f" AND NOT starts_with(reason, '{_SAME_AS}')"
                " AND ($3 OR recipe IS DISTINCT FROM $4)",
                key.tenant,
                key.name,
                request.force_rebuild,
                recipe,
            )

    async def refuse_run(self, opening: OpenRun, method: Method, reason: str) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await _write_run(connection, opening, method)
            await connection.execute(
                "UPDATE runs SET state = 'failed', reason = $2, ended_at = now()"
                " WHERE id = $1 AND state = 'running' AND phase = 'starting'",
                opening.run_id,
                reason,
            )

    async def graph_to_embed(self, key: CollectionKey, model: str) -> int | None:
        return await self._pool.fetchval(
            "SELECT g.id FROM collections c JOIN graphs g ON g.id = c.graph_id"
            " WHERE c.tenant = $1 AND c.name = $2"
            " AND (g.embedding_model IS DISTINCT FROM nullif($3, '') OR EXISTS ("
            "   SELECT FROM embedding_gaps e WHERE e.tenant = c.tenant AND e.collection = c.name"
            "   AND e.model = $3 AND e.reason <> ''))",
            key.tenant,
            key.name,
            model,
        )

    async def has_model_gaps(self, key: CollectionKey) -> bool:
        return await self._pool.fetchval(
            "SELECT EXISTS (SELECT FROM collections c JOIN model_gaps m ON m.graph_id = c.graph_id"
            " WHERE c.tenant = $1 AND c.name = $2)",
            key.tenant,
            key.name,
        )

    async def record_run(self, record: RunRecord) -> RunRecord:
        ended = record.state not in (RunState.RUNNING, RunState.PAUSED)
        row = await self._pool.fetchrow(
            """
            UPDATE runs r SET
                state = CASE WHEN $2 = 'completed' AND EXISTS (
                    SELECT FROM documents d WHERE d.tenant = r.tenant
                    AND d.collection = r.collection AND d.state IN ('failed', 'partial')
                ) OR $2 = 'completed' AND EXISTS (
                    SELECT FROM embedding_gaps e WHERE e.tenant = r.tenant
                    AND e.collection = r.collection AND e.reason <> ''
                ) OR $2 = 'completed' AND EXISTS (
                    SELECT FROM collections c JOIN model_gaps m ON m.graph_id = c.graph_id
                    WHERE c.tenant = r.tenant AND c.name = r.collection
                ) THEN 'completed_with_failures' ELSE $2 END,
                phase = $3,
                reason = $4,
                ended_at = CASE WHEN $5 THEN coalesce(ended_at, now()) END
            WHERE id = $1 RETURNING state
            """,
            record.run_id,
            record.state,
            record.phase,
            record.reason,
            ended,
        )
        state = record.state if row is None else RunState(row["state"])
        return RunRecord(record.run_id, state, record.phase, record.reason)

    async def next_page(self, key: CollectionKey, after: int, limit: int) -> DocumentPage:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{key.tenant}/{key.name}"
            )
            await _plan(connection, key, thorough=after == 0)
            rows = await connection.fetch(
                "SELECT id, left(name, $5) AS label, size, queue_position FROM documents"
                " WHERE tenant = $1 AND collection = $2 AND state = 'pending'"
                " AND queue_position > $3 ORDER BY queue_position LIMIT $4",
                key.tenant,
                key.name,
                after,
                limit,
                _LABEL_CHARACTERS,
            )
        return DocumentPage(
            tuple(WaitingDocument(row["id"], row["label"], row["size"]) for row in rows),
            rows[-1]["queue_position"] if rows else after,
        )

    async def load_document(self, key: CollectionKey, document_id: UUID) -> StoredDocument | None:
        row = await self._pool.fetchrow(
            "SELECT id, name, version, size, state, reason, read_by FROM documents"
            " WHERE tenant = $1 AND collection = $2 AND id = $3",
            key.tenant,
            key.name,
            document_id,
        )
        return None if row is None else stored_document(row)

    async def load_content(self, key: CollectionKey, version: bytes) -> bytes:
        rows = await self._pool.fetch(
            "SELECT bytes FROM contents"
            " WHERE tenant = $1 AND collection = $2 AND version = $3 ORDER BY part",
            key.tenant,
            key.name,
            version,
        )
        return b"".join(row["bytes"] for row in rows)

    async def save_processed(
        self,
        key: CollectionKey,
        document: StoredDocument,
        processed: ProcessedDocument,
        read_by: bytes,
        recipe: bytes | None,
    ) -> bool:
        digest = hashlib.sha256(document.version + read_by).digest()
        async with self._pool.acquire() as connection, connection.transaction():
            # The row is locked first: who changes or deletes the document waits, or was before us.
            current = await connection.fetchval(
                "UPDATE documents SET reason = '', recipe = $5, read_by = $6, parsed = $7,"
                " state = CASE WHEN $5::bytea IS NULL THEN 'pending' ELSE 'done' END,"
                " ended_at = CASE WHEN $5::bytea IS NOT NULL THEN now() END"
                " WHERE tenant = $1 AND collection = $2 AND id = $3 AND version = $4"
                " AND state = 'pending' RETURNING true",
                key.tenant,
                key.name,
                document.id,
                document.version,
                recipe,
                read_by,
                digest,
            )
            if not current:
                return False
            await connection.execute(
                "INSERT INTO parsed_documents VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
                " ON CONFLICT (tenant, collection, document_id, digest) DO NOTHING",
                key.tenant,
                key.name,
                document.id,
                digest,
                processed.parsed.format,
                processed.parsed.title,
                processed.parsed.text,
                len(processed.parsed.pages),
            )
            await _retire_text_units(connection, key, document.id)
            await _insert_text_units(connection, key, processed.text_units)
            if recipe is not None:
                await _insert_extractions(
                    connection, key, processed.text_units, processed.extractions
                )
        return True

    async def save_ended(
        self,
        key: CollectionKey,
        document_id: UUID,
        version: bytes | None,
        state: DocumentState,
        reason: str,
        recipe: bytes | None,
    ) -> bool:
        async with self._pool.acquire() as connection, connection.transaction():
            current = await connection.fetchval(
                "UPDATE documents SET state = $5, reason = $6, recipe = $7, read_by = NULL,"
                " parsed = NULL, ended_at = now()"
                " WHERE tenant = $1 AND collection = $2 AND id = $3"
                " AND ($4::bytea IS NULL OR version = $4)"
                " AND state = 'pending' RETURNING true",
                key.tenant,
                key.name,
                document_id,
                version,
                state,
                reason,
                recipe,
            )
            if current:
                await _retire_text_units(connection, key, document_id)
        return bool(current)


def stored_document(row: asyncpg.Record) -> StoredDocument:
    return StoredDocument(
        row["id"],
        row["name"],
        row["version"],
        row["size"],
        DocumentState(row["state"]),
        row["reason"],
        row["read_by"],
    )


async def _write_run(
    connection: asyncpg.pool.PoolConnectionProxy, opening: OpenRun, method: Method
) -> bool:
    """Its row; False where this was done before, and its answer was lost."""
    key, request = opening.request.key, opening.request
    known = await connection.fetchval(
        "SELECT true FROM collections WHERE tenant = $1 AND name = $2", key.tenant, key.name
    )
    if not known:
        raise NotFound(
            f"collection {key.name!r} of tenant {key.tenant!r} does not exist; it comes to"
            f" be with its first documents: graphmill index PATH --collection {key.name}"
        )
    written = await connection.fetchval(
        "INSERT INTO runs (id, tenant, collection, workflow_id, method, state, phase,"
        " budget_nano_usd, batch)"
        " VALUES ($1, $2, $3, $4, $5, 'running', 'starting', $6, $7)"
        " ON CONFLICT (id) DO NOTHING RETURNING true",
        opening.run_id,
        key.tenant,
        key.name,
        opening.workflow_id,
        method,
        None if request.budget_usd is None else round(request.budget_usd * 1e9),
        request.batch,
    )
    if not written:
        return False
    # A run that was terminated from outside could not write its own end.
    await connection.execute(
        "UPDATE runs SET state = 'failed', ended_at = now(),"
        " reason = 'terminated from outside; a later run went on with its work'"
        " WHERE tenant = $1 AND collection = $2 AND id <> $3"
        " AND state IN ('running', 'paused')",
        key.tenant,
        key.name,
        opening.run_id,
    )
    return True


async def _plan(
    connection: asyncpg.pool.PoolConnectionProxy, key: CollectionKey, *, thorough: bool
) -> None:
    """Decide what of the uploaded is read: of equal bytes, the document of the smallest name.

    That makes the result a function of what is there, not of the order in which it came. Copies
    whose first is gone are looked for only where `thorough`, which costs a look at every copy: a
    run begins and ends with it.
    """
    await connection.execute(
        f"""
        WITH touched AS (
            SELECT version FROM documents
            WHERE tenant = $1 AND collection = $2 AND state = 'uploaded' AND size > 0
            UNION
            -- whoever they were the same as is gone
            SELECT version FROM documents s
            WHERE $3 AND tenant = $1 AND collection = $2 AND state = 'skipped'
            AND starts_with(reason, '{_SAME_AS}') AND NOT EXISTS (
                SELECT FROM documents p WHERE p.tenant = $1 AND p.collection = $2
                AND p.version = s.version
                AND NOT (p.state = 'skipped' AND starts_with(p.reason, '{_SAME_AS}'))
            )
        ), chosen AS (
            SELECT version, min(name) AS name FROM documents
            WHERE tenant = $1 AND collection = $2 AND version IN (SELECT version FROM touched)
            GROUP BY version
        ), others AS (
            UPDATE documents d
            SET state = 'skipped', reason = '{_SAME_AS}' || c.name, recipe = NULL, read_by = NULL,
                parsed = NULL, ended_at = now()
            FROM chosen c
            WHERE d.tenant = $1 AND d.collection = $2 AND d.version = c.version
            AND d.name <> c.name
            AND (d.state <> 'skipped' OR d.reason <> '{_SAME_AS}' || c.name)
            RETURNING d.id
        ), retired AS (
            UPDATE text_units t SET live = false FROM others o
            WHERE t.tenant = $1 AND t.collection = $2 AND t.document_id = o.id AND t.live
        )
        UPDATE documents d
        SET state = 'pending', reason = '', queue_position = nextval('queue_positions')
        FROM chosen c
        WHERE d.tenant = $1 AND d.collection = $2 AND d.version = c.version AND d.name = c.name
        AND d.state = 'skipped' AND starts_with(d.reason, '{_SAME_AS}')
        """,
        key.tenant,
        key.name,
        thorough,
    )
    await connection.execute(
        "UPDATE documents SET state = 'pending'"
        " WHERE tenant = $1 AND collection = $2 AND state = 'uploaded'",
        key.tenant,
        key.name,
    )


async def _retire_text_units(
    connection: asyncpg.pool.PoolConnectionProxy, key: CollectionKey, document_id: UUID
) -> None:
    """They stay until the next graph is published: the one before still points to them."""
    await connection.execute(
        "UPDATE text_units SET live = false"
        " WHERE tenant = $1 AND collection = $2 AND document_id = $3 AND live",
        key.tenant,
        key.name,
        document_id,
    )


async def _insert_text_units(
    connection: asyncpg.pool.PoolConnectionProxy,
    key: CollectionKey,
    units: Sequence[TextUnit],
) -> None:
    await connection.executemany(
        "INSERT INTO text_units (tenant, collection, id, document_id, position, text, n_tokens,"
        " first_page, last_page) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        " ON CONFLICT (tenant, collection, id) DO UPDATE SET live = true,"
        " n_tokens = excluded.n_tokens, first_page = excluded.first_page,"
        " last_page = excluded.last_page",
        [
            (
                key.tenant,
                key.name,
                unit.id,
                unit.document_id,
                unit.position,
                unit.text,
                unit.n_tokens,
                unit.first_page,
                unit.last_page,
            )
            for unit in units
        ],
    )


async def _insert_extractions(
    connection: asyncpg.pool.PoolConnectionProxy,
    key: CollectionKey,
    units: Sequence[TextUnit],
    extractions: Sequence[Extraction],
) -> None:
    await connection.executemany(
        "INSERT INTO extractions VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
        # The same text read by another recipe.
        " ON CONFLICT (tenant, collection, text_unit_id) DO UPDATE SET"
        " titles = excluded.titles, types = excluded.types, counts = excluded.counts,"
        " entity_sentences = excluded.entity_sentences, sources = excluded.sources,"
        " targets = excluded.targets, weights = excluded.weights,"
        " relationship_sentences = excluded.relationship_sentences,"
        " sentence_starts = excluded.sentence_starts, sentence_ends = excluded.sentence_ends",
        [
            (
                key.tenant,
                key.name,
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
            for unit, found in zip(units, extractions, strict=True)
        ],
    )
