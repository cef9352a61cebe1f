"""Collections and their documents: what was uploaded, and what became of it."""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO
from uuid import UUID

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from graphmill.errors import InvalidRequest
from graphmill.gaps import EmbeddingGaps, ModelGaps
from graphmill.ids import document_id
from graphmill.missing import no_collection, no_document
from graphmill.models import CollectionKey, DocumentState, DocumentSummary
from graphmill.run_status import ModelUse
from graphmill.stores.postgres.gaps import load_embedding_gaps, load_model_gaps
from graphmill.stores.postgres.graph_counts import count_of
from graphmill.stores.postgres.model_accounts import PostgresModelAccounts
from graphmill.uploads import PART_BYTES, UnreadableUpload, Upload

_Connection = PoolConnectionProxy

# Parts of files that are written together: many small ones, or few large ones.
_MOST_PARTS = 100
_MOST_BYTES = 4 * PART_BYTES

_SUMMARY = """
SELECT d.id, d.name, d.version, d.size, d.creation_date, d.state, d.reason,
       coalesce(p.format, '') AS format, coalesce(p.title, '') AS title,
       coalesce(p.pages, 0) AS pages,
       (SELECT count(*) FROM text_units t
        WHERE t.tenant = d.tenant AND t.collection = d.collection
          AND t.document_id = d.id AND t.live) AS text_units
FROM documents d LEFT JOIN parsed_documents p ON p.tenant = d.tenant
    AND p.collection = d.collection AND p.document_id = d.id AND p.digest = d.parsed
"""


_CREATE = (
    "INSERT INTO collections (tenant, name) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true"
)


@dataclass(frozen=True, slots=True)
class CollectionSummary:
    """A row of `collections list`: documents by state, the published graph's size, and what it
    lacks."""

    name: str
    created_at: datetime
    documents: Mapping[str, int]
    text_units: int
    entities: int
    relationships: int
    communities: int
    embeddings: EmbeddingGaps
    model_gaps: ModelGaps


@dataclass(frozen=True, slots=True)
class KnownVersion:
    """What is stored under a document's name."""

    version: bytes
    creation_date: datetime


@dataclass(frozen=True, slots=True)
class UploadCounts:
    new: int = 0
    changed: int = 0
    unchanged: int = 0


class PostgresCatalog:
    """Writes to one collection's documents come one after another (an advisory lock)."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        # A large upload holds its connection for minutes, and others are asked for meanwhile.
        self._uploads = asyncio.Semaphore(max(1, pool.get_max_size() // 2))

    # ---- collections

    async def create_collection(self, key: CollectionKey) -> bool:
        """True if it is new."""
        created = await self._pool.fetchval(_CREATE, key.tenant, key.name)
        return bool(created)

    async def list_collections(
        self, tenant: str, after: str | None = None, limit: int = 1000
    ) -> tuple[CollectionSummary, ...]:
        """A tenant's collections in the order of their names, beginning after the name given."""
        names = await self._pool.fetch(
            'SELECT name FROM collections WHERE tenant = $1 AND name COLLATE "C" > $2'
            ' ORDER BY name COLLATE "C" LIMIT $3',
            tenant,
            after or "",
            limit,
        )
        return tuple(
            [await self.show_collection(CollectionKey(tenant, row["name"])) for row in names]
        )

    async def show_collection(self, key: CollectionKey) -> CollectionSummary:
        """
        Raises:
            NotFound: there is no such collection.
        """
        row = await self._pool.fetchrow(
            f"""
            SELECT c.created_at,
                coalesce({count_of("text_units")}, 0) AS text_units,
                coalesce({count_of("entities")}, 0) AS entities,
                coalesce({count_of("relationships")}, 0) AS relationships,
                coalesce({count_of("communities")}, 0) AS communities
            FROM collections c LEFT JOIN graphs g ON g.id = c.graph_id
            WHERE c.tenant = $1 AND c.name = $2
            """,
            key.tenant,
            key.name,
        )
        if row is None:
            raise no_collection(key)
        counts = await self._pool.fetch(
            "SELECT state, count(*) FROM documents WHERE tenant = $1 AND collection = $2"
            " GROUP BY state",
            key.tenant,
            key.name,
        )
        by_state = {str(state): 0 for state in DocumentState}
        by_state |= {row["state"]: row["count"] for row in counts}
        return CollectionSummary(
            name=key.name,
            created_at=row["created_at"],
            documents={"total": sum(by_state.values())} | by_state,
            text_units=row["text_units"],
            entities=row["entities"],
            relationships=row["relationships"],
            communities=row["communities"],
            embeddings=await load_embedding_gaps(self._pool, key),
            model_gaps=await load_model_gaps(self._pool, key),
        )

    async def delete_collection(self, key: CollectionKey) -> None:
        """Delete a collection with all that was made of it.

        Raises:
            NotFound: there is no such collection.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await lock_documents(connection, key)
            # collections and graphs point at each other; let go of the graph first.
            await connection.execute(
                "UPDATE collections SET graph_id = NULL WHERE tenant = $1 AND name = $2",
                key.tenant,
                key.name,
            )
            deleted = await connection.fetchval(
                "DELETE FROM collections WHERE tenant = $1 AND name = $2 RETURNING true",
                key.tenant,
                key.name,
            )
        if not deleted:
            raise no_collection(key)

    # ---- documents in

    async def known_versions(
        self, key: CollectionKey, names: Sequence[str]
    ) -> dict[str, KnownVersion]:
        """What is stored under these names; a name that is not stored is left out."""
        rows = await self._pool.fetch(
            "SELECT name, version, creation_date FROM documents"
            " WHERE tenant = $1 AND collection = $2 AND id = ANY($3)",
            key.tenant,
            key.name,
            [document_id(name) for name in names],
        )
        return {row["name"]: KnownVersion(row["version"], row["creation_date"]) for row in rows}

    async def all_names(self, key: CollectionKey) -> tuple[str, ...]:
        rows = await self._pool.fetch(
            "SELECT name FROM documents WHERE tenant = $1 AND collection = $2 ORDER BY name",
            key.tenant,
            key.name,
        )
        return tuple(row["name"] for row in rows)

    async def upload(
        self, key: CollectionKey, uploads: Sequence[Upload], *, create: bool = False
    ) -> UploadCounts:
        """Store documents, all of them or none; the collection exists already, or `create` makes it
        with them.

        A new name, or other bytes under a known name, waits for the next run; the same bytes change
        nothing but creation_date. Bytes that nothing refers to any more are removed.

        Raises:
            NotFound: there is no such collection.
            InvalidRequest: a name comes twice.
            UnreadableUpload: a file cannot be read or changed meanwhile.
        """
        ordered = sorted(uploads, key=lambda upload: upload.name)
        if len({upload.name for upload in ordered}) < len(ordered):
            raise InvalidRequest("two files of this upload have the same name")
        async with (
            self._uploads,
            self._pool.acquire() as connection,
            connection.transaction(),
        ):
            if create:
                await connection.execute(_CREATE, key.tenant, key.name)
            elif not await connection.fetchval(
                "SELECT true FROM collections WHERE tenant = $1 AND name = $2", key.tenant, key.name
            ):
                raise no_collection(key)
            await _store_contents(connection, key, ordered)
            await lock_documents(connection, key)
            # Bytes that were here already may have been let go of by somebody else just now.
            await _store_contents(connection, key, ordered)
            rows = await connection.fetch(
                "SELECT id, version FROM documents"
                " WHERE tenant = $1 AND collection = $2 AND id = ANY($3)",
                key.tenant,
                key.name,
                [document_id(upload.name) for upload in ordered],
            )
            before: dict[UUID, bytes] = {row["id"]: row["version"] for row in rows}
            await connection.execute(
                """
                INSERT INTO documents AS d
                    (tenant, collection, id, name, version, size, creation_date, uploaded_at)
                -- Not now(), when the bytes began to come: a deletion that was asked for since then
                -- and came before would take it for older.
                SELECT $1, $2, u.id, u.name, u.version, u.size, u.creation_date,
                    statement_timestamp()
                FROM unnest($3::uuid[], $4::text[], $5::bytea[], $6::bigint[], $7::timestamptz[])
                    WITH ORDINALITY AS u (id, name, version, size, creation_date, position)
                ORDER BY u.position
                ON CONFLICT (tenant, collection, id) DO UPDATE SET
                    version = excluded.version,
                    size = excluded.size,
                    creation_date = excluded.creation_date,
                    uploaded_at = excluded.uploaded_at,
                    state = 'uploaded',
                    reason = '',
                    ended_at = NULL,
                    queue_position = nextval('queue_positions')
                WHERE d.version <> excluded.version
                """,
                key.tenant,
                key.name,
                [document_id(upload.name) for upload in ordered],
                [upload.name for upload in ordered],
                [upload.version for upload in ordered],
                [upload.size for upload in ordered],
                [upload.creation_date for upload in ordered],
            )
            await connection.execute(
                """
                UPDATE documents d SET creation_date = u.creation_date
                FROM unnest($3::uuid[], $4::timestamptz[]) AS u (id, creation_date)
                WHERE d.tenant = $1 AND d.collection = $2 AND d.id = u.id
                  AND d.creation_date <> u.creation_date
                """,
                key.tenant,
                key.name,
                [document_id(upload.name) for upload in ordered],
                [upload.creation_date for upload in ordered],
            )
            versions = {document_id(upload.name): upload.version for upload in ordered}
            replaced = [version for id, version in before.items() if version != versions[id]]
            await remove_unreferenced(connection, key, replaced)
        return UploadCounts(
            new=len(ordered) - len(before),
            changed=len(replaced),
            unchanged=len(before) - len(replaced),
        )

    async def retry_failed(self, key: CollectionKey) -> int:
        """Queue every document again that failed or is partial; returns how many they are."""
        async with self._pool.acquire() as connection, connection.transaction():
            await lock_documents(connection, key)
            rows = await connection.fetch(
                """
                UPDATE documents SET state = 'pending', reason = '', ended_at = NULL,
                    queue_position = nextval('queue_positions')
                WHERE tenant = $1 AND collection = $2 AND state IN ('failed', 'partial')
                RETURNING id
                """,
                key.tenant,
                key.name,
            )
            return len(rows)

    # ---- documents out

    async def list_documents(
        self,
        key: CollectionKey,
        after: str | None = None,
        limit: int = 100,
        state: DocumentState | None = None,
    ) -> tuple[DocumentSummary, ...]:
        """Documents in the order of their names (by code point), beginning after the name given.

        Raises:
            NotFound: there is no such collection.
        """
        rows = await self._pool.fetch(
            _SUMMARY + "WHERE d.tenant = $1 AND d.collection = $2 AND d.name > $3"
            " AND ($5::text IS NULL OR d.state = $5) ORDER BY d.name LIMIT $4",
            key.tenant,
            key.name,
            after or "",
            limit,
            None if state is None else str(state),
        )
        if not rows:
            await self.show_collection(key)
        return tuple(_summary(row) for row in rows)

    async def show_document(self, key: CollectionKey, id: UUID) -> DocumentSummary:
        """
        Raises:
            NotFound: there is no such document.
        """
        row = await self._pool.fetchrow(
            _SUMMARY + "WHERE d.tenant = $1 AND d.collection = $2 AND d.id = $3",
            key.tenant,
            key.name,
            id,
        )
        if row is None:
            raise no_document(key, id)
        return _summary(row)

    async def model_use(self, key: CollectionKey, id: UUID) -> ModelUse:
        """What models cost for a document, over all runs."""
        return await PostgresModelAccounts(self._pool).document_use(key, id)


async def lock_documents(connection: _Connection, key: CollectionKey) -> None:
    """One at a time changes or plans a collection's documents, until the transaction ends.

    Runs plan under the same lock, so it is taken after the bytes of an upload are written. It is no
    lock on the collection's row: publishing a graph updates that.
    """
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{key.tenant}/{key.name}"
    )


async def _store_contents(
    connection: _Connection, key: CollectionKey, uploads: Sequence[Upload]
) -> None:
    rows = await connection.fetch(
        "SELECT DISTINCT version FROM contents"
        " WHERE tenant = $1 AND collection = $2 AND version = ANY($3)",
        key.tenant,
        key.name,
        [upload.version for upload in uploads],
    )
    # Parts are written in one transaction, so a version that has one part has all.
    stored: set[bytes] = {row["version"] for row in rows}
    parts: list[tuple[str, str, bytes, int, bytes]] = []
    # In the order of versions: two uploads of the same bytes wait for each other, never in a ring.
    for upload in sorted(uploads, key=lambda upload: upload.version):
        if upload.version in stored:
            continue
        stored.add(upload.version)
        digest = hashlib.sha256()
        with await _open(upload) as stream:
            number = 0
            while (part := await _read_part(upload, stream)) or number == 0:
                digest.update(part)
                parts.append((key.tenant, key.name, upload.version, number, part))
                number += 1
                if len(parts) == _MOST_PARTS or sum(len(row[-1]) for row in parts) > _MOST_BYTES:
                    await _insert_parts(connection, parts)
                    parts.clear()
        if digest.digest() != upload.version:
            raise UnreadableUpload(upload.name, "changed while it was read; upload it again")
    await _insert_parts(connection, parts)


async def _insert_parts(
    connection: _Connection, parts: Sequence[tuple[str, str, bytes, int, bytes]]
) -> None:
    if not parts:
        return
    await connection.executemany(
        "INSERT INTO contents (tenant, collection, version, part, bytes)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        parts,
    )


async def _open(upload: Upload) -> BinaryIO:
    try:
        return await asyncio.to_thread(upload.open)
    except OSError as error:
        raise UnreadableUpload(upload.name, f"cannot be read: {error.strerror}") from error


async def _read_part(upload: Upload, stream: BinaryIO) -> bytes:
    try:
        return await asyncio.to_thread(stream.read, PART_BYTES)
    except OSError as error:
        raise UnreadableUpload(upload.name, f"cannot be read: {error.strerror}") from error


async def remove_unreferenced(
    connection: _Connection, key: CollectionKey, versions: Iterable[bytes]
) -> None:
    """Documents have let go of these versions: bytes that no other document has are removed."""
    gone = sorted(set(versions))
    await connection.execute(
        """
        DELETE FROM contents c
        WHERE c.tenant = $1 AND c.collection = $2 AND c.version = ANY($3)
          AND NOT EXISTS (SELECT FROM documents d WHERE d.tenant = c.tenant
                          AND d.collection = c.collection AND d.version = c.version)
        """,
        key.tenant,
        key.name,
        gone,
    )


def _summary(row: asyncpg.Record) -> DocumentSummary:
    return DocumentSummary(
        id=row["id"],
        name=row["name"],
        version=row["version"].hex(),
        size=row["size"],
        creation_date=row["creation_date"],
        state=DocumentState(row["state"]),
        reason=row["reason"],
        format=row["format"],
        title=row["title"],
        pages=row["pages"],
        text_units=row["text_units"],
    )
