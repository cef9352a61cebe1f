"""The catalog keeps what was uploaded, once, and knows what has changed."""

import hashlib
import io
from datetime import UTC, datetime
from typing import BinaryIO

import asyncpg
import pytest

from graphmill.errors import InvalidRequest, NotFound
from graphmill.ids import document_id
from graphmill.models import CollectionKey, DocumentState
from graphmill.stores.postgres.catalog import PostgresCatalog, UploadCounts
from graphmill.uploads import PART_BYTES, Upload

KEY = CollectionKey("default", "files")
DAY = datetime(2024, 5, 6, 7, 8, 9, 123456, UTC)
LATER = datetime(2025, 1, 1, tzinfo=UTC)


class CountedStream(io.BytesIO):
    """Remembers the largest read: nothing may take a file into memory whole."""

    largest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        CountedStream.largest = max(CountedStream.largest, -1 if size is None else size)
        assert size not in (None, -1), "read without a limit"
        return super().read(size)


def upload(
    name: str, content: bytes, date: datetime = DAY, reads: list[str] | None = None
) -> Upload:
    def open_stream() -> BinaryIO:
        if reads is not None:
            reads.append(name)
        return CountedStream(content)

    return Upload(name, hashlib.sha256(content).digest(), len(content), date, open_stream)


@pytest.fixture
async def catalog(pool: asyncpg.Pool) -> PostgresCatalog:
    catalog = PostgresCatalog(pool)
    await catalog.create_collection(KEY)
    return catalog


async def stored_bytes(pool: asyncpg.Pool, version: bytes) -> list[bytes]:
    rows = await pool.fetch("SELECT bytes FROM contents WHERE version = $1 ORDER BY part", version)
    return [row["bytes"] for row in rows]


async def row_of(pool: asyncpg.Pool, name: str) -> asyncpg.Record:
    row = await pool.fetchrow("SELECT * FROM documents WHERE name = $1", name)
    assert row is not None
    return row


async def set_state(pool: asyncpg.Pool, name: str, state: str, reason: str = "") -> None:
    await pool.execute(
        "UPDATE documents SET state = $2, reason = $3, ended_at = now() WHERE name = $1",
        name,
        state,
        reason,
    )


async def test_a_new_document_is_stored_in_parts_and_waits(
    catalog: PostgresCatalog, pool: asyncpg.Pool
) -> None:
    content = bytes(range(256)) * 10_000  # 2.56 MB
    one = upload("big.bin", content)
    assert await catalog.upload(KEY, [one]) == UploadCounts(new=1)
    parts = await stored_bytes(pool, one.version)
    assert [len(part) for part in parts] == [PART_BYTES, PART_BYTES, 560_000]
    assert b"".join(parts) == content
    row = await row_of(pool, "big.bin")
    assert row["id"] == document_id("big.bin")
    assert (row["state"], row["size"], row["creation_date"]) == ("uploaded", len(content), DAY)
    assert CountedStream.largest == PART_BYTES


async def test_an_empty_document_is_stored(catalog: PostgresCatalog, pool: asyncpg.Pool) -> None:
    one = upload("empty.txt", b"")
    await catalog.upload(KEY, [one])
    assert await stored_bytes(pool, one.version) == [b""]


async def test_the_same_bytes_again_change_nothing_and_are_not_read(
    catalog: PostgresCatalog, pool: asyncpg.Pool
) -> None:
    await catalog.upload(KEY, [upload("a.txt", b"text")])
    await set_state(pool, "a.txt", "done")
    before = await row_of(pool, "a.txt")
    reads: list[str] = []
    counts = await catalog.upload(KEY, [upload("a.txt", b"text", reads=reads)])
    assert counts == UploadCounts(unchanged=1)
    assert await row_of(pool, "a.txt") == before
    assert reads == []


async def test_creation_date_follows_the_file_without_another_reading(
    catalog: PostgresCatalog, pool: asyncpg.Pool
) -> None:
    await catalog.upload(KEY, [upload("a.txt", b"text")])
    await set_state(pool, "a.txt", "done")
    await catalog.upload(KEY, [upload("a.txt", b"text", LATER)])
    row = await row_of(pool, "a.txt")
    assert (row["creation_date"], row["state"]) == (LATER, "done")


async def test_other_bytes_under_the_same_name_wait_again_at_the_end_of_the_line(
    catalog: PostgresCatalog, pool: asyncpg.Pool
) -> None:
    old = upload("a.txt", b"old")
    await catalog.upload(KEY, [old, upload("b.txt", b"other")])
    await set_state(pool, "a.txt", "failed", "corrupt: broken")
    before = await row_of(pool, "a.txt")
    new = upload("a.txt", b"newer", LATER)
    assert await catalog.upload(KEY, [new]) == UploadCounts(changed=1)
    row = await row_of(pool, "a.txt")
    assert (row["state"], row["reason"], row["version"], row["size"], row["creation_date"]) == (
        *("uploaded", "", new.version, 5, LATER),
    )
    assert row["ended_at"] is None
    assert row["queue_position"] > max(
        before["queue_position"], (await row_of(pool, "b.txt"))["queue_position"]
    )
    assert await stored_bytes(pool, old.version) == []
    assert await stored_bytes(pool, new.version) == [b"newer"]


async def test_a_file_that_changes_while_it_is_read_leaves_nothing_behind(
    catalog: PostgresCatalog, pool: asyncpg.Pool
) -> None:
    planned = upload("a.txt", b"planned")
    changed = Upload("a.txt", planned.version, 7, DAY, lambda: io.BytesIO(b"changed"))
    with pytest.raises(InvalidRequest, match=r"a\.txt changed while it was read"):
        await catalog.upload(KEY, [upload("0.txt", b"fine"), changed])
    assert await pool.fetchval("SELECT count(*) FROM documents") == 0
    assert await pool.fetchval("SELECT count(*) FROM contents") == 0


async def test_a_file_that_is_gone_is_named(catalog: PostgresCatalog) -> None:
    def missing() -> BinaryIO:
        raise FileNotFoundError(2, "No such file or directory")

    with pytest.raises(InvalidRequest, match=r"a\.txt cannot be read: No such file"):
        await catalog.upload(KEY, [Upload("a.txt", bytes(32), 1, DAY, missing)])


async def test_one_name_twice_in_an_upload_is_refused(catalog: PostgresCatalog) -> None:
    with pytest.raises(InvalidRequest, match="same name"):
        await catalog.upload(KEY, [upload("a.txt", b"1"), upload("a.txt", b"2")])


async def test_an_upload_to_a_collection_that_is_not_there_is_refused(
    catalog: PostgresCatalog,
) -> None:
    with pytest.raises(NotFound, match="no collection 'other'"):
        await catalog.upload(CollectionKey("default", "other"), [upload("a.txt", b"1")])


async def test_known_versions_leave_out_what_is_not_stored(catalog: PostgresCatalog) -> None:
    one = upload("a.txt", b"1")
    await catalog.upload(KEY, [one])
    known = await catalog.known_versions(KEY, ["a.txt", "b.txt"])
    assert {name: (k.version, k.creation_date) for name, k in known.items()} == {
        "a.txt": (one.version, DAY)
    }


async def test_documents_are_paged_by_name_in_code_point_order(catalog: PostgresCatalog) -> None:
    names = ["a.txt", "B.txt", "é.txt", "z/1.txt", "z.txt"]
    await catalog.upload(KEY, [upload(name, name.encode()) for name in names])
    first = await catalog.list_documents(KEY, limit=2)
    rest = await catalog.list_documents(KEY, after=first[-1].name, limit=10)
    assert [document.name for document in (*first, *rest)] == sorted(names)
    assert await catalog.list_documents(KEY, after="é.txt") == ()
    assert await catalog.list_documents(KEY, state=DocumentState.DONE) == ()
    assert await catalog.all_names(KEY) == tuple(sorted(names))


async def test_a_collection_that_is_not_there_has_no_documents_to_list(
    catalog: PostgresCatalog,
) -> None:
    with pytest.raises(NotFound):
        await catalog.list_documents(CollectionKey("default", "other"))
    with pytest.raises(NotFound):
        await catalog.list_documents(CollectionKey("other", "files"))


async def test_retry_puts_the_failed_and_no_others_back_in_line(
    catalog: PostgresCatalog, pool: asyncpg.Pool
) -> None:
    names = ["done.txt", "failed.txt", "skipped.txt"]
    await catalog.upload(KEY, [upload(name, name.encode()) for name in names])
    for name in names:
        await set_state(pool, name, name.removesuffix(".txt"), "code: words")
    before = await row_of(pool, "failed.txt")
    assert await catalog.retry_failed(KEY) == 1
    row = await row_of(pool, "failed.txt")
    assert (row["state"], row["reason"], row["ended_at"]) == ("pending", "", None)
    assert row["queue_position"] > before["queue_position"]
    assert [(await row_of(pool, name))["state"] for name in names] == ["done", "pending", "skipped"]


async def test_collections_are_made_once_listed_by_name_and_deleted_whole(
    catalog: PostgresCatalog, pool: asyncpg.Pool
) -> None:
    assert await catalog.create_collection(CollectionKey("default", "another"))
    assert not await catalog.create_collection(KEY)
    await catalog.create_collection(CollectionKey("elsewhere", "files"))
    await catalog.upload(KEY, [upload("a.txt", b"1")])
    listed = await catalog.list_collections("default")
    assert [collection.name for collection in listed] == ["another", "files"]
    assert dict(listed[1].documents) == {
        **{
            "total": 1,
            "uploaded": 1,
            "pending": 0,
            "done": 0,
            "failed": 0,
            "skipped": 0,
            "partial": 0,
        }
    }
    assert [c.name for c in await catalog.list_collections("default", after="another")] == ["files"]
    graph = await pool.fetchval(
        "INSERT INTO graphs (tenant, collection, digest) VALUES ('default', 'files', '')"
        " RETURNING id"
    )
    await pool.execute(
        "UPDATE collections SET graph_id = $1 WHERE tenant = 'default' AND name = 'files'", graph
    )
    await catalog.delete_collection(KEY)
    for table in ("documents", "contents", "graphs"):
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 0
    with pytest.raises(NotFound):
        await catalog.delete_collection(KEY)
    with pytest.raises(NotFound):
        await catalog.show_collection(KEY)
