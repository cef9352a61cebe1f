"""What a run may rely on while it indexes documents."""

from uuid import uuid4

import asyncpg
import pytest

from graphmill.errors import NotFound
from graphmill.ids import document_id
from graphmill.index_request import IndexRequest
from graphmill.messages import OpenRun, RunRecord
from graphmill.models import DocumentState, Method, Phase, RunState
from graphmill.stores.postgres.indexing import PostgresIndexingStore
from graphmill.stores.postgres.status import PostgresRunStatus
from tests.contracts.collections import (
    KEY,
    READ_BY,
    RECIPE,
    index,
    open_run,
    processed,
    states,
    upload,
)

pytestmark = pytest.mark.asyncio


@pytest.fixture
def store(pool: asyncpg.Pool) -> PostgresIndexingStore:
    return PostgresIndexingStore(pool)


async def test_a_run_over_an_unknown_collection_is_refused_with_what_to_do(
    store: PostgresIndexingStore,
) -> None:
    opening = OpenRun(uuid4(), "index/default/absent", IndexRequest("absent"))
    with pytest.raises(NotFound, match="graphmill index PATH --collection absent"):
        await store.open_run(opening, Method.FAST, RECIPE)


async def test_a_run_ends_with_failures_while_its_published_graph_lacks_what_no_model_gave(
    store: PostgresIndexingStore, pool: asyncpg.Pool
) -> None:
    await upload(pool, {})
    run_id = await open_run(pool)
    ended = RunRecord(run_id, RunState.COMPLETED, Phase.DONE)
    graph_id = await pool.fetchval(
        "INSERT INTO graphs (tenant, collection, digest) VALUES ('default', 'sample', '')"
        " RETURNING id"
    )
    await pool.execute(
        "INSERT INTO model_gaps VALUES ($1, 'report', gen_random_uuid(), 'refused', 'default')",
        graph_id,
    )
    # One that is still made, or was given up, is nobody's yet.
    assert not await store.has_model_gaps(KEY)
    assert (await store.record_run(ended)).state is RunState.COMPLETED
    await pool.execute("UPDATE collections SET graph_id = $1", graph_id)
    assert await store.has_model_gaps(KEY)
    assert (await store.record_run(ended)).state is RunState.COMPLETED_WITH_FAILURES
    failed = RunRecord(run_id, RunState.FAILED, Phase.GRAPH)
    assert (await store.record_run(failed)).state is RunState.FAILED


async def test_pages_follow_the_order_of_upload_and_begin_after_a_position(
    pool: asyncpg.Pool, store: PostgresIndexingStore
) -> None:
    await upload(pool, {f"{n}.txt": b"%d" % n for n in (3, 1, 2)})
    page = await store.next_page(KEY, 0, 2)
    assert [document.label for document in page.documents] == ["3.txt", "1.txt"]
    rest = await store.next_page(KEY, page.last, 2)
    assert [document.label for document in rest.documents] == ["2.txt"]
    assert (await store.next_page(KEY, rest.last, 2)).documents == ()


async def test_of_equal_bytes_the_smallest_name_is_read_whatever_came_first(
    pool: asyncpg.Pool, store: PostgresIndexingStore
) -> None:
    await upload(pool, {"b.txt": b"same", "c.txt": b"same"})
    page = await store.next_page(KEY, 0, 10)
    assert [document.label for document in page.documents] == ["b.txt"]
    assert (await states(pool))["c.txt"] == "skipped same as: b.txt"

    await upload(pool, {"a.txt": b"same"})
    page = await store.next_page(KEY, 0, 10)
    assert [document.label for document in page.documents] == ["a.txt"]
    assert await states(pool) == {
        "a.txt": "pending",
        "b.txt": "skipped same as: a.txt",
        "c.txt": "skipped same as: a.txt",
    }


async def test_a_copy_takes_over_when_the_first_is_deleted_or_changes(
    pool: asyncpg.Pool, store: PostgresIndexingStore
) -> None:
    await upload(pool, {"a.txt": b"same", "b.txt": b"same", "c.txt": b"same"})
    await store.next_page(KEY, 0, 10)
    await pool.execute("DELETE FROM documents WHERE name = 'a.txt'")
    page = await store.next_page(KEY, 0, 10)
    assert [document.label for document in page.documents] == ["b.txt"]
    assert (await states(pool))["c.txt"] == "skipped same as: b.txt"

    await upload(pool, {"b.txt": b"other"})
    page = await store.next_page(KEY, 0, 10)
    assert {document.label for document in page.documents} == {"b.txt", "c.txt"}


async def test_empty_files_are_not_the_same_as_each_other(
    pool: asyncpg.Pool, store: PostgresIndexingStore
) -> None:
    await upload(pool, {"a.txt": b"", "b.txt": b""})
    assert len((await store.next_page(KEY, 0, 10)).documents) == 2


async def test_a_document_that_changed_while_it_was_read_keeps_its_newer_version(
    pool: asyncpg.Pool, store: PostgresIndexingStore
) -> None:
    await upload(pool, {"a.txt": b"old"})
    await store.next_page(KEY, 0, 10)
    old = await store.load_document(KEY, document_id("a.txt"))
    assert old is not None
    await upload(pool, {"a.txt": b"new"})
    document = processed("a.txt", [{("A", "B"): 1}])
    assert not await store.save_processed(KEY, old, document, READ_BY, RECIPE)
    assert not await store.save_ended(
        KEY, old.id, old.version, DocumentState.FAILED, "corrupt: x", RECIPE
    )
    assert await states(pool) == {"a.txt": "uploaded"}
    assert await pool.fetchval("SELECT count(*) FROM text_units") == 0


async def test_a_second_version_leaves_only_its_own_text_units_alive(
    pool: asyncpg.Pool,
) -> None:
    await index(pool, {"a.txt": processed("a.txt", [{("A", "B"): 1}, {("C",): 1}])})
    await index(pool, {"a.txt": processed("a.txt", [{("A", "B"): 1}])})
    rows = await pool.fetch("SELECT position, live FROM text_units ORDER BY position")
    assert [(row["position"], row["live"]) for row in rows] == [(0, True), (1, False)]


async def test_storing_the_same_document_twice_stores_it_once(
    pool: asyncpg.Pool, store: PostgresIndexingStore
) -> None:
    document = processed("a.txt", [{("A", "B"): 2}])
    await index(pool, {"a.txt": document})
    await open_run(pool, force=True)
    await index(pool, {"a.txt": document})
    assert await pool.fetchval("SELECT count(*) FROM text_units WHERE live") == 1
    assert await pool.fetchval("SELECT count(*) FROM extractions") == 1


async def test_a_run_puts_in_line_only_what_another_recipe_made(
    pool: asyncpg.Pool, store: PostgresIndexingStore
) -> None:
    await index(pool, {"a.txt": processed("a.txt", [{("A", "B"): 1}])})
    await upload(pool, {"bad.pdf": b"bad"})
    await store.next_page(KEY, 0, 10)
    await store.save_ended(
        KEY, document_id("bad.pdf"), None, DocumentState.FAILED, "corrupt: bad", RECIPE
    )
    await open_run(pool)
    assert (await store.next_page(KEY, 0, 10)).documents == ()
    opening = OpenRun(uuid4(), "index/default/sample", IndexRequest(KEY.name))
    await store.open_run(opening, Method.FAST, b"other recipe")
    assert len((await store.next_page(KEY, 0, 10)).documents) == 2


async def test_opening_a_run_again_changes_nothing(
    pool: asyncpg.Pool, store: PostgresIndexingStore
) -> None:
    await index(pool, {"a.txt": processed("a.txt", [{("A", "B"): 1}])})
    opening = OpenRun(uuid4(), "index/default/sample", IndexRequest(KEY.name, force_rebuild=True))
    await store.open_run(opening, Method.FAST, RECIPE)
    await index(pool, {})
    await pool.execute("UPDATE documents SET state = 'done'")
    await store.open_run(opening, Method.FAST, RECIPE)
    assert await states(pool) == {"a.txt": "done"}


async def test_a_run_that_leaves_failed_documents_says_so(
    pool: asyncpg.Pool, store: PostgresIndexingStore
) -> None:
    await upload(pool, {"bad.pdf": b"bad"})
    run_id = await open_run(pool)
    await store.next_page(KEY, 0, 10)
    await store.save_ended(
        KEY, document_id("bad.pdf"), None, DocumentState.FAILED, "corrupt: bad", RECIPE
    )
    recorded = await store.record_run(RunRecord(run_id, RunState.COMPLETED, Phase.DONE))
    assert recorded.state is RunState.COMPLETED_WITH_FAILURES
    assert await pool.fetchval("SELECT ended_at IS NOT NULL FROM runs WHERE id = $1", run_id)
    await store.record_run(RunRecord(run_id, RunState.RUNNING, Phase.DOCUMENTS))
    assert await pool.fetchval("SELECT ended_at IS NULL FROM runs WHERE id = $1", run_id)


async def test_a_run_that_cannot_be_is_the_collections_last_and_decides_nothing_of_the_next(
    pool: asyncpg.Pool, store: PostgresIndexingStore
) -> None:
    await index(pool, {"a.txt": processed("a.txt", [{("A", "B"): 1}])})
    before = await open_run(pool)
    await store.record_run(RunRecord(before, RunState.COMPLETED, Phase.DONE))
    request = IndexRequest(KEY.name, method=Method.STANDARD, budget_usd=5, force_rebuild=True)
    opening = OpenRun(uuid4(), "index/default/sample", request)
    for _ in range(2):  # the answer to the first may be lost
        await store.refuse_run(opening, Method.STANDARD, "no endpoint is set")
    status = PostgresRunStatus(pool)
    assert await status.find_run(KEY.tenant, KEY.name) == opening.run_id
    told = await status.status(opening.run_id)
    assert (told.state, told.reason) == (RunState.FAILED, "no endpoint is set")
    assert await status.last_method(KEY) is Method.FAST
    assert await status.last_budget_left(KEY) is None
    # Nothing was put in line for it, and what is said of its end changes nothing.
    assert await states(pool) == {"a.txt": "done"}
    ended = RunRecord(opening.run_id, RunState.FAILED, Phase.STARTING, "no endpoint is set")
    await store.record_run(ended)
    assert await status.last_method(KEY) is Method.FAST
    absent = OpenRun(uuid4(), "index/default/absent", IndexRequest("absent"))
    with pytest.raises(NotFound):
        await store.refuse_run(absent, Method.STANDARD, "no endpoint is set")


async def test_a_later_run_closes_the_row_of_one_that_was_terminated(pool: asyncpg.Pool) -> None:
    await upload(pool, {"a.txt": b"a"})
    first = await open_run(pool)
    await open_run(pool)
    row = await pool.fetchrow("SELECT state, reason FROM runs WHERE id = $1", first)
    assert row is not None
    assert row["state"] == "failed"
    assert "terminated from outside" in row["reason"]
