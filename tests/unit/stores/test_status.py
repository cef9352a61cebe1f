"""A run's status tells what stands in the database, under the keys that scripts rely on."""

from uuid import UUID, uuid4

import asyncpg
import pytest

from graphmill.errors import NotFound
from graphmill.ids import document_id
from graphmill.models import Method, Phase, RunState
from graphmill.run_status import DocumentFailure, DocumentTotals
from graphmill.stores.postgres.status import PostgresRunStatus

RUN = UUID("11111111-1111-1111-1111-111111111111")


@pytest.fixture
async def status(pool: asyncpg.Pool) -> PostgresRunStatus:
    await pool.execute("INSERT INTO collections (tenant, name) VALUES ('default', 'files')")
    return PostgresRunStatus(pool)


async def add_run(
    pool: asyncpg.Pool, run_id: UUID, state: str, phase: str, began: str, ended: str | None = None
) -> None:
    await pool.execute(
        "INSERT INTO runs (id, tenant, collection, workflow_id, method, state, phase, started_at,"
        " ended_at) VALUES ($1, 'default', 'files', 'index/default/files', 'fast', $2, $3,"
        " now() - $4::text::interval, now() - $5::text::interval)",
        run_id,
        state,
        phase,
        began,
        ended,
    )


async def add_document(pool: asyncpg.Pool, name: str, state: str, ended: str | None = None) -> None:
    await pool.execute(
        "INSERT INTO documents (tenant, collection, id, name, version, size, creation_date, state,"
        " reason, ended_at) VALUES ('default', 'files', $1, $2, '', 0, now(), $3, $4,"
        " now() - $5::text::interval)",
        document_id(name),
        name,
        state,
        "corrupt: broken" if state == "failed" else "",
        ended,
    )


async def test_a_run_under_way_tells_counts_rate_and_time_left(
    status: PostgresRunStatus, pool: asyncpg.Pool
) -> None:
    await add_run(pool, RUN, "running", "documents", "100 seconds")
    await add_document(pool, "1", "done", "50 seconds")
    await add_document(pool, "2", "failed", "40 seconds")
    await add_document(pool, "3", "skipped", "1 hour")  # of an earlier run
    await add_document(pool, "4", "pending")
    await add_document(pool, "5", "uploaded")
    told = await status.status(RUN)
    assert (told.state, told.phase) == (RunState.RUNNING, Phase.DOCUMENTS)
    assert told.documents == DocumentTotals(total=5, done=1, failed=1, skipped=1)
    assert told.failures == (DocumentFailure(document_id("2"), "2", "corrupt: broken"),)
    assert told.documents_left == 2
    assert told.processed == 2
    assert told.seconds == pytest.approx(100, abs=5)
    assert told.documents_per_hour == pytest.approx(72, abs=4)
    assert told.seconds_left == pytest.approx(100, abs=5)
    assert (await status.status(RUN, with_failures=False)).failures == ()


async def test_the_keys_that_scripts_rely_on_are_there(
    status: PostgresRunStatus, pool: asyncpg.Pool
) -> None:
    await add_run(pool, RUN, "completed", "done", "10 seconds", "2 seconds")
    told = (await status.status(RUN)).to_json()
    assert {
        *("run_id", "workflow_id", "collection", "state", "phase", "documents", "failures"),
        *("text_units", "entities", "relationships", "communities", "reports", "model"),
        *("seconds", "documents_per_hour"),
    } <= set(told)
    assert told["run_id"] == str(RUN)
    assert told["documents"] == {"total": 0, "done": 0, "failed": 0, "skipped": 0, "partial": 0}
    assert told["model"] == {
        **{"calls": 0, "cached": 0, "prompt_tokens": 0, "completion_tokens": 0, "usd": 0.0},
        **{"steps": {}, "models": {}},
    }
    assert (told["method"], told["budget_usd"]) == ("fast", None)
    assert told["seconds"] == pytest.approx(8, abs=0.1)
    assert told["seconds_left"] is None


async def test_what_models_cost_is_told_in_all_by_step_and_by_model(
    status: PostgresRunStatus, pool: asyncpg.Pool
) -> None:
    await add_run(pool, RUN, "over_budget", "documents", "10 seconds", "2 seconds")
    await pool.execute("UPDATE runs SET budget_nano_usd = 50000000, method = 'standard'")
    for step, model, slot, calls in (
        ("extract_graph", "a", 0, 3),
        ("extract_graph", "a", 1, 4),
        ("reports", "b", 0, 5),
    ):
        await pool.execute(
            "INSERT INTO model_accounts VALUES"
            " ($1, $2, $3, $4, 'default', 'files', $5::bigint, $5 + 1, 100, 10, 2000000)",
            *(RUN, step, model, slot, calls),
        )
    told = (await status.status(RUN)).to_json()

    def figures(calls: int, rows: int) -> dict[str, float]:
        tokens = {"prompt_tokens": 100 * rows, "completion_tokens": 10 * rows}
        return {"calls": calls, "cached": calls + rows, **tokens, "usd": 0.002 * rows}

    one_or_the_other = (figures(7, 2), figures(5, 1))
    assert told["model"] == figures(12, 3) | {
        "steps": dict(zip(("extract_graph", "reports"), one_or_the_other, strict=True)),
        "models": dict(zip(("a", "b"), one_or_the_other, strict=True)),
    }
    assert (told["method"], told["budget_usd"], told["state"]) == ("standard", 0.05, "over_budget")


async def test_partial_documents_are_told_with_the_failures(
    status: PostgresRunStatus, pool: asyncpg.Pool
) -> None:
    await add_run(pool, RUN, "completed_with_failures", "done", "10 seconds", "2 seconds")
    await add_document(pool, "1", "done", "5 seconds")
    await add_document(pool, "2", "partial", "5 seconds")
    told = await status.status(RUN)
    assert told.documents == DocumentTotals(total=2, done=1, partial=1)
    assert [failure.path for failure in told.failures] == ["2"]
    assert told.documents_left == 0
    assert told.processed == 2


async def test_documents_of_later_runs_do_not_count_for_an_earlier_one(
    status: PostgresRunStatus, pool: asyncpg.Pool
) -> None:
    await add_run(pool, RUN, "completed", "done", "100 seconds", "50 seconds")
    await add_document(pool, "during", "done", "60 seconds")
    await add_document(pool, "after", "done", "10 seconds")
    assert (await status.status(RUN)).processed == 1


async def test_graph_figures_are_those_of_the_published_graph(
    status: PostgresRunStatus, pool: asyncpg.Pool
) -> None:
    await add_run(pool, RUN, "running", "documents", "1 second")
    assert (await status.status(RUN)).entities == 0
    published = await pool.fetchval(
        "INSERT INTO graphs (tenant, collection, digest) VALUES ('default', 'files', 'a')"
        " RETURNING id"
    )
    building = await pool.fetchval(
        "INSERT INTO graphs (tenant, collection, digest) VALUES ('default', 'files', 'b')"
        " RETURNING id"
    )
    for graph in (published, building, building):
        await pool.execute(
            "INSERT INTO entities VALUES ($1, $2, 0, 'T', '', '', '{}', 1, 1, $2, '{}', 'default')",
            graph,
            uuid4(),
        )
    await pool.execute("UPDATE collections SET graph_id = $1", published)
    assert (await status.status(RUN)).entities == 1
    await pool.execute("UPDATE collections SET graph_id = $1", building)
    assert (await status.status(RUN)).entities == 2


async def test_gaps_of_embeddings_are_those_of_the_published_graph_s_model(
    status: PostgresRunStatus, pool: asyncpg.Pool
) -> None:
    await add_run(pool, RUN, "running", "embeddings", "1 second")
    for model, reason, texts in (("a", "refused", 3), ("a", "", 2), ("b", "other", 4)):
        await pool.execute(
            "INSERT INTO embedding_gaps SELECT 'default', 'files', 'text_unit_text', $1,"
            " gen_random_uuid(), $2 FROM generate_series(1, $3)",
            *(model, reason, texts),
        )
    told = (await status.status(RUN)).embeddings
    assert (told.missing, told.cut, [one.count for one in told.reasons]) == (7, 2, [4, 3])
    published = await pool.fetchval(
        "INSERT INTO graphs (tenant, collection, digest, embedding_model)"
        " VALUES ('default', 'files', '', 'a') RETURNING id"
    )
    await pool.execute("UPDATE collections SET graph_id = $1", published)
    told = (await status.status(RUN)).embeddings
    assert (told.missing, told.cut, [one.reason for one in told.reasons]) == (3, 2, ["refused"])


async def test_model_gaps_are_those_of_the_published_graph(
    status: PostgresRunStatus, pool: asyncpg.Pool
) -> None:
    await add_run(pool, RUN, "running", "embeddings", "1 second")
    gaps = (("report", "refused", 3), ("summary", "refused", 2), ("summary", "empty", 4))
    for digest in (b"building", b"published"):
        graph = await pool.fetchval(
            "INSERT INTO graphs (tenant, collection, digest) VALUES ('default', 'files', $1)"
            " RETURNING id",
            digest,
        )
        for kind, reason, count in gaps:
            await pool.execute(
                "INSERT INTO model_gaps SELECT $1, $2, gen_random_uuid(), $3, 'default'"
                " FROM generate_series(1, $4)",
                *(graph, kind, reason, count),
            )
    assert not (await status.status(RUN)).model_gaps
    await pool.execute("UPDATE collections SET graph_id = $1", graph)
    told = (await status.status(RUN)).model_gaps
    assert (told.missing, told.reports, told.summaries) == (9, 3, 6)
    assert [(one.kind, one.reason, one.count) for one in told.reasons] == [
        ("summary", "empty", 4),
        ("report", "refused", 3),
        ("summary", "refused", 2),
    ]


async def test_a_run_is_found_by_its_id_and_the_latest_by_its_collection(
    status: PostgresRunStatus, pool: asyncpg.Pool
) -> None:
    later = uuid4()
    await add_run(pool, RUN, "completed", "done", "2 hours", "1 hour")
    await add_run(pool, later, "running", "documents", "1 minute")
    assert await status.find_run("default", str(RUN)) == RUN
    assert await status.find_run("default", "files") == later
    for tenant, name in (("default", "other"), ("other", "files"), ("other", str(RUN))):
        with pytest.raises(NotFound):
            await status.find_run(tenant, name)
    with pytest.raises(NotFound):
        await status.status(uuid4())


async def test_only_a_run_under_way_can_be_written_down_as_failed(
    status: PostgresRunStatus, pool: asyncpg.Pool
) -> None:
    await add_run(pool, RUN, "running", "documents", "1 minute")
    assert await status.fail_run(RUN, "terminated")
    told = await status.status(RUN)
    assert (told.state, told.reason, told.ended) == (RunState.FAILED, "terminated", True)
    assert not await status.fail_run(RUN, "again")
    assert await status.run_method(RUN) is Method.FAST
    assert await status.run_method(uuid4()) is None
    assert (await status.status(RUN)).reason == "terminated"
