"""Documents that are deleted are gone, with all that they alone had; and it is quick."""

import asyncio
import hashlib
import io
import time
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from graphmill.errors import NotFound
from graphmill.ids import document_id, text_unit_id
from graphmill.models import CollectionKey
from graphmill.stores.postgres.catalog import PostgresCatalog, lock_documents
from graphmill.stores.postgres.database import open_pool
from graphmill.stores.postgres.deletion import PostgresDeletion
from graphmill.uploads import Upload

KEY = CollectionKey("default", "files")
DAY = datetime(2024, 5, 6, 7, 8, 9, 123456, UTC)


def upload(name: str, content: bytes) -> Upload:
    version = hashlib.sha256(content).digest()
    return Upload(name, version, len(content), DAY, lambda: io.BytesIO(content))


@pytest.fixture
async def catalog(pool: asyncpg.Pool) -> PostgresCatalog:
    catalog = PostgresCatalog(pool)
    await catalog.create_collection(KEY)
    return catalog


@pytest.fixture
def deletion(pool: asyncpg.Pool) -> PostgresDeletion:
    return PostgresDeletion(pool)


async def stored_bytes(pool: asyncpg.Pool, version: bytes) -> list[bytes]:
    rows = await pool.fetch("SELECT bytes FROM contents WHERE version = $1 ORDER BY part", version)
    return [row["bytes"] for row in rows]


async def test_equal_bytes_under_two_names_are_stored_once_and_kept_while_one_needs_them(
    catalog: PostgresCatalog, deletion: PostgresDeletion, pool: asyncpg.Pool
) -> None:
    one = upload("a.txt", b"same")
    await catalog.upload(KEY, [one, upload("b.txt", b"same")])
    assert await stored_bytes(pool, one.version) == [b"same"]
    await deletion.delete(KEY, [document_id("a.txt")])
    assert await stored_bytes(pool, one.version) == [b"same"]
    await deletion.delete(KEY, [document_id("b.txt")])
    assert await stored_bytes(pool, one.version) == []


async def test_a_deleted_document_takes_its_text_units_out_of_the_next_graph(
    catalog: PostgresCatalog, deletion: PostgresDeletion, pool: asyncpg.Pool
) -> None:
    await catalog.upload(KEY, [upload("a.txt", b"1"), upload("b.txt", b"2")])
    for name in ("a.txt", "b.txt"):
        await pool.execute(
            "INSERT INTO text_units (tenant, collection, id, document_id, position, text, n_tokens)"
            " VALUES ('default', 'files', $1, $2, 0, 'x', 1)",
            text_unit_id(document_id(name), 0, "x"),
            document_id(name),
        )
    assert (await catalog.show_document(KEY, document_id("a.txt"))).text_units == 1
    await deletion.delete(KEY, [document_id("a.txt")])
    live = await pool.fetch("SELECT document_id, live FROM text_units")
    assert {row["document_id"]: row["live"] for row in live} == {
        document_id("a.txt"): False,
        document_id("b.txt"): True,
    }
    with pytest.raises(NotFound):
        await catalog.show_document(KEY, document_id("a.txt"))


async def test_what_is_gone_already_is_no_error_and_is_named_as_missing(
    catalog: PostgresCatalog, deletion: PostgresDeletion
) -> None:
    await catalog.upload(KEY, [upload("a.txt", b"1"), upload("b.txt", b"2")])
    ids = [document_id(name) for name in ("a.txt", "b.txt", "never.txt")]
    assert await deletion.missing(KEY, ids) == (ids[2],)
    assert await deletion.delete(KEY, ids) == 2
    assert await deletion.delete(KEY, ids) == 0
    assert await deletion.missing(KEY, ids) == tuple(sorted(ids))
    assert await catalog.all_names(KEY) == ()


async def test_what_was_uploaded_after_the_deletion_was_asked_for_stays(
    catalog: PostgresCatalog, deletion: PostgresDeletion, pool: asyncpg.Pool
) -> None:
    new, changed, old = (document_id(name) for name in ("a.txt", "b.txt", "c.txt"))
    await catalog.upload(KEY, [upload("b.txt", b"2"), upload("c.txt", b"3")])
    asked_at = await deletion.clock()
    await catalog.upload(KEY, [upload("a.txt", b"1"), upload("b.txt", b"4")])
    assert await deletion.delete(KEY, [new, changed, old], asked_at) == 1
    assert await catalog.all_names(KEY) == ("a.txt", "b.txt")
    assert await deletion.delete(KEY, [new, changed], await deletion.clock()) == 2


async def test_an_upload_that_began_before_a_deletion_and_came_after_it_stays(
    catalog: PostgresCatalog, deletion: PostgresDeletion, pool: asyncpg.Pool
) -> None:
    await catalog.upload(KEY, [upload("a.txt", b"1")])
    async with pool.acquire() as connection, connection.transaction():
        await lock_documents(connection, KEY)
        uploading = asyncio.create_task(catalog.upload(KEY, [upload("a.txt", b"2")]))
        while not await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
        ):
            await asyncio.sleep(0.01)
        asked_at = await connection.fetchval("SELECT clock_timestamp()")
    await uploading
    assert await deletion.delete(KEY, [document_id("a.txt")], asked_at) == 0


async def test_documents_of_another_tenant_or_collection_are_missing_and_stay(
    catalog: PostgresCatalog, deletion: PostgresDeletion
) -> None:
    await catalog.upload(KEY, [upload("a.txt", b"1")])
    for stranger in (CollectionKey("other", "files"), CollectionKey("default", "other")):
        assert await deletion.missing(stranger, [document_id("a.txt")]) == (document_id("a.txt"),)
        assert await deletion.delete(stranger, [document_id("a.txt")]) == 0
    assert await catalog.all_names(KEY) == ("a.txt",)


async def test_one_in_a_hundred_of_5000_documents_is_deleted_without_a_look_at_the_others(
    catalog: PostgresCatalog, database_url: str
) -> None:
    """With twenty text units each; of equal bytes there are two, of which one stays."""
    pool = await open_pool(database_url, 1)
    try:
        await pool.execute(
            """
            WITH made AS (
                INSERT INTO documents (tenant, collection, id, name, version, size, creation_date)
                SELECT 'default', 'files', content_id(n::text), n || '.txt',
                       sha256((n / 2)::text::bytea), 3000, now()
                FROM generate_series(0, 4999) n RETURNING id, version
            ), kept AS (
                INSERT INTO contents SELECT DISTINCT 'default', 'files', version, 0,
                    convert_to(repeat('x', 3000), 'UTF8') FROM made
            )
            INSERT INTO text_units (tenant, collection, id, document_id, position, text, n_tokens)
            SELECT 'default', 'files', content_id(id::text, u::text), id, u, repeat('word ', 20), 1
            FROM made, generate_series(0, 19) u
            """
        )
        await pool.execute("ANALYZE documents, contents, text_units")
        ids = [UUID(bytes=hashlib.sha256(b"%d" % n).digest()[:16]) for n in range(0, 5000, 100)]
        before, began = await scans(pool), time.monotonic()
        assert await PostgresDeletion(pool).delete(KEY, ids) == 50
        print(f"50 of 5,000 documents deleted in {time.monotonic() - began:.3f} s")
        assert await scans(pool) == before
        assert await pool.fetchval("SELECT count(*) FROM text_units WHERE NOT live") == 1000
        assert await pool.fetchval("SELECT count(*) FROM contents") == 2500
    finally:
        await pool.close()


async def scans(pool: asyncpg.Pool) -> dict[str, int]:
    """How often each table was read whole."""
    await pool.execute("SELECT pg_stat_force_next_flush()")
    rows = await pool.fetch("SELECT relname, seq_scan FROM pg_stat_user_tables")
    return {row["relname"]: row["seq_scan"] for row in rows}
