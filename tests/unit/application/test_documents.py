"""A plan uploads what is new or changed, and nothing else."""

import os
from pathlib import Path

import asyncpg
import pytest

from graphmill.application import documents as module
from graphmill.application.documents import Documents, collection_key
from graphmill.application.folder import FoundFile, LeftOut, find_files
from graphmill.errors import InvalidRequest, Unavailable
from graphmill.models import CollectionKey
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.database import open_pool
from graphmill.uploads import UnreadableUpload

KEY = CollectionKey("default", "files")


@pytest.fixture
def documents(pool: asyncpg.Pool) -> Documents:
    return Documents(PostgresCatalog(pool))


def files(folder: Path) -> tuple[FoundFile, ...]:
    return find_files([folder], 1_000_000).files


async def test_a_second_upload_holds_only_what_differs(
    documents: Documents, tmp_path: Path
) -> None:
    for name in ("same", "changed", "touched"):
        (tmp_path / name).write_text(name)
    first = await documents.plan_upload(KEY, files(tmp_path))
    assert (first.new, len(first.uploads)) == (3, 3)
    await documents.upload(KEY, first.uploads)

    (tmp_path / "changed").write_text("other")
    os.utime(tmp_path / "touched", (1_600_000_000, 1_600_000_000))
    (tmp_path / "new").write_text("new")
    second = await documents.plan_upload(KEY, files(tmp_path))
    assert (second.new, second.changed, second.redated, second.unchanged) == (1, 1, 1, 1)
    assert [upload.name for upload in second.uploads] == ["changed", "new", "touched"]
    await documents.upload(KEY, second.uploads)

    third = await documents.plan_upload(KEY, files(tmp_path))
    assert (third.uploads, third.unchanged) == ((), 4)
    touched = [d async for d in documents.list_all(KEY) if d.name == "touched"]
    assert touched[0].creation_date.timestamp() == 1_600_000_000


async def test_the_modification_time_is_kept_to_the_microsecond(
    documents: Documents, tmp_path: Path
) -> None:
    (tmp_path / "a").write_text("a")
    os.utime(tmp_path / "a", ns=(0, 1_700_000_000_123_456_789))
    plan = await documents.plan_upload(KEY, files(tmp_path))
    assert plan.uploads[0].creation_date.isoformat() == "2023-11-14T22:13:20.123456+00:00"
    await documents.upload(KEY, plan.uploads)
    assert (await documents.plan_upload(KEY, files(tmp_path))).uploads == ()


async def test_uploads_go_in_batches_and_each_is_told(
    documents: Documents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_DOCUMENTS", 2)
    monkeypatch.setattr(module, "BATCH_BYTES", 10)
    for name, size in (("a", 1), ("b", 1), ("c", 1), ("d", 10), ("e", 20)):
        (tmp_path / name).write_text(name * size)
    batches: list[int] = []
    plan = await documents.plan_upload(KEY, files(tmp_path))
    counts = await documents.upload(KEY, plan.uploads, batches.append)
    assert counts.new == 5
    assert batches == [2, 1, 1, 1]


async def test_a_file_that_goes_before_it_is_hashed_is_left_out_and_told(
    documents: Documents, tmp_path: Path
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name)
    found = files(tmp_path)
    (tmp_path / "b").unlink()
    told: list[str] = []
    plan = await documents.plan_upload(KEY, found, lambda file: told.append(file.name))
    assert [upload.name for upload in plan.uploads] == ["a", "c"]
    assert (plan.new, plan.unchanged) == (2, 0)
    assert plan.left_out == (LeftOut(str(tmp_path / "b"), "is not there any more", "b"),)
    assert told == ["a", "b", "c"]


async def test_files_that_go_or_change_between_plan_and_upload_stop_no_other(
    documents: Documents, tmp_path: Path
) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / name).write_text(name)
    plan = await documents.plan_upload(KEY, files(tmp_path))
    (tmp_path / "a").unlink()
    (tmp_path / "c").write_text("changed")
    with pytest.raises(UnreadableUpload, match=r"(a cannot be read: No such file|c changed while)"):
        await documents.upload(KEY, plan.uploads)
    assert await documents.list(KEY) == ()

    unreadable: list[UnreadableUpload] = []
    batches: list[int] = []
    counts = await documents.upload(KEY, plan.uploads, batches.append, unreadable.append)
    assert (counts.new, batches) == (2, [4])
    assert [document.name for document in await documents.list(KEY)] == ["b", "d"]
    assert {error.name: error.words for error in unreadable} == {
        "a": "cannot be read: No such file or directory",
        "c": "changed while it was read; upload it again",
    }


async def test_documents_beyond_the_files_given_are_found(
    documents: Documents, tmp_path: Path
) -> None:
    for name in ("a", "b", "c", "sub/d", "sub/deep/e", "sub2/f"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    plan = await documents.plan_upload(KEY, files(tmp_path))
    await documents.upload(KEY, plan.uploads)

    async def beyond(*left_out: str | None) -> tuple[str, ...]:
        unread = [LeftOut("path", "reason", name) for name in left_out]
        return await documents.names_beyond(KEY, ["a", "c", "never uploaded"], unread)

    assert await beyond() == ("b", "sub/d", "sub/deep/e", "sub2/f")
    # What is there and cannot be read is not gone: a file, a folder, the folder given itself.
    assert await beyond(None, "b") == ("sub/d", "sub/deep/e", "sub2/f")
    assert await beyond("sub/") == ("b", "sub2/f")
    assert await beyond("") == ()


async def test_a_database_that_is_away_is_told_in_plain_words(tmp_path: Path) -> None:
    pool = await open_pool(f"postgresql://secret:password@/none?host={tmp_path}", 1)
    try:
        with pytest.raises(Unavailable, match="PostgreSQL does not answer") as told:
            await Documents(PostgresCatalog(pool)).list(KEY)
        assert "password" not in str(told.value)
    finally:
        pool.terminate()


async def test_a_database_without_tables_is_told_in_plain_words(
    documents: Documents, pool: asyncpg.Pool
) -> None:
    await pool.execute("DROP TABLE documents CASCADE")
    with pytest.raises(Unavailable, match="no tables of graphmill yet"):
        await documents.list(KEY)


def test_names_are_checked_before_anything_is_asked() -> None:
    assert collection_key("default", "files") == KEY
    with pytest.raises(InvalidRequest, match="collection name"):
        collection_key("default", "../files")
    with pytest.raises(InvalidRequest, match="tenant name"):
        collection_key("Not This", "files")
