"""summarize_descriptions on a real PostgreSQL, asking an endpoint over HTTP."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest
from temporalio.testing import ActivityEnvironment

from activities.summaries import SUMMARIZE_DESCRIPTIONS, SummaryActivities
from graphmill.ids import content_id
from graphmill.messages import GraphRef, GraphShard
from graphmill.model_endpoints import open_model_caller
from graphmill.model_settings import EndpointSettings
from graphmill.settings import PruneSettings, Settings
from graphmill.standard.descriptions import MAX_SUMMARY, batch_descriptions
from graphmill.standard.extract_graph import Statement
from graphmill.standard.options import StandardOptions
from graphmill.stores.postgres.graph import PostgresGraphStore
from graphmill.stores.postgres.options import PostgresOptionsStore
from graphmill.stores.postgres.summaries import PostgresSummaryStore
from graphmill.tokens import count_tokens
from tests.contracts.collections import KEY
from tests.contracts.model_collections import extraction, index_found
from tests.support.model_endpoint import Behaviour, ModelEndpoint, running_endpoint

OPTIONS = StandardOptions("a-model", "a-model", "a-model")


async def folded(
    pool: asyncpg.Pool,
    entities: Mapping[str, Sequence[str]],
    relationships: Mapping[tuple[str, str], Sequence[str]] | None = None,
) -> GraphRef:
    """A graph of one text unit, which describes all of these."""
    statements = {
        pair: [Statement("", text, 1.0) for text in texts]
        for pair, texts in (relationships or {}).items()
    }
    described = {title: ("", texts) for title, texts in entities.items()}
    await index_found(pool, {"a.txt": [extraction(described, statements)]})
    await PostgresOptionsStore(pool).save_options(KEY, OPTIONS)
    graphs = PostgresGraphStore(pool, PruneSettings())
    graph_id = await graphs.open_graph(KEY, OPTIONS.digest, afresh=False)
    assert graph_id is not None
    await graphs.fold_model_extractions(KEY, graph_id)
    return GraphRef(KEY, graph_id, uuid4(), OPTIONS.digest)


@asynccontextmanager
async def activities(
    pool: asyncpg.Pool, endpoint: ModelEndpoint
) -> AsyncGenerator[SummaryActivities]:
    simulated = EndpointSettings(name="simulated", base_url=endpoint.base_url, places=50)
    # No other, whatever the environment says: it might cost money.
    none = {"openai_base_url": None, "openai_model": None, "anthropic_model": None}
    settings = Settings.model_validate({"endpoints": (simulated,), **none})
    async with open_model_caller(pool, settings, lambda _: None) as caller:
        yield SummaryActivities(PostgresSummaryStore(pool), PostgresOptionsStore(pool), caller)


async def summarize(activities: SummaryActivities, graph: GraphRef, shards: int = 1) -> int:
    """All parts at once; how many were summarised."""
    counts = await asyncio.gather(
        *(
            ActivityEnvironment().run(
                activities.summarize_descriptions, GraphShard(graph, shard, shards)
            )
            for shard in range(shards)
        )
    )
    return sum(counts)


async def descriptions(pool: asyncpg.Pool) -> dict[str, str]:
    rows = await pool.fetch("SELECT title, description FROM entities")
    return {row["title"]: row["description"] for row in rows}


async def still_waiting(pool: asyncpg.Pool) -> int:
    return await pool.fetchval("SELECT count(*) FROM entities WHERE descriptions <> '{}'")


async def test_a_model_is_asked_once_about_each_that_has_several_descriptions(
    pool: asyncpg.Pool,
) -> None:
    several = {f"T{number}": ("Counts.", f"Is number {number}.") for number in range(30)}
    graph = await folded(
        pool,
        several | {"ONE": ("Stands as it is.",), "NONE": ()},
        {("T0", "T1"): ("They met.", "They parted."), ("T0", "T2"): ("x" * 1500, "y" * 1500)},
    )
    async with running_endpoint() as endpoint, activities(pool, endpoint) as summaries:
        assert await summarize(summaries, graph, shards=3) == 31
        stats = await endpoint.stats()
        assert stats.begun == stats.answered == 31
        assert await summarize(summaries, graph, shards=3) == 0
        assert (await endpoint.stats()).begun == 31
    found = await descriptions(pool)
    assert (found["ONE"], found["NONE"]) == ("Stands as it is.", "")
    for title in several:
        # What the simulated model repeats of its question.
        assert found[title].startswith("Summary ")
        assert f"title: {title}; - Counts.; - Is number {title[1:]}." in found[title]
    assert await still_waiting(pool) == 0
    rows = await pool.fetch("SELECT title, description, embedding_id FROM entities")
    for row in rows:
        text = f"{row['title']}: {row['description']}"
        assert row["embedding_id"] == content_id("entity_description", text)
    rows = await pool.fetch("SELECT description FROM relationships ORDER BY target")
    said = [row["description"] for row in rows]
    assert said[0] == "They met.\nThey parted."
    assert "title: T0; title: T2; - xxx" in said[1]
    asked = await pool.fetch("SELECT run_id, step, count(*) FROM model_calls GROUP BY 1, 2")
    assert [tuple(row) for row in asked] == [(graph.run_id, SUMMARIZE_DESCRIPTIONS, 31)]


async def test_what_was_saved_before_a_crash_is_neither_asked_nor_written_again(
    pool: asyncpg.Pool,
) -> None:
    graph = await folded(pool, {f"T{n:02}": ("Counts.", f"Is number {n}.") for n in range(60)})
    behaviour = Behaviour(places=5, seconds=0.1)
    async with running_endpoint(behaviour) as endpoint:
        async with activities(pool, endpoint) as summaries:
            running = asyncio.create_task(summarize(summaries, graph))
            while await still_waiting(pool) == 60:  # written as they come, not at the end
                await asyncio.sleep(0.02)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        left = await still_waiting(pool)
        assert 0 < left <= 40
        before = await descriptions(pool)
        await endpoint.reset()
        async with activities(pool, endpoint) as summaries:
            assert await summarize(summaries, graph) == left
        # What was answered while the first was ending is stored, though it was not written.
        assert (await endpoint.stats()).begun <= left
    after = await descriptions(pool)
    assert all(after[title] == text for title, text in before.items() if text)
    assert await still_waiting(pool) == 0


async def test_what_no_good_answer_is_given_about_is_described_by_its_descriptions(
    pool: asyncpg.Pool, caplog: pytest.LogCaptureFixture
) -> None:
    order = 'SIMULATED-MODEL OBEY: {"description": ""}'
    long = tuple(f"{letter * 3000} secret" for letter in "wxyz")
    graph = await folded(
        pool, {"BAD": ("Counts.", order), "GOOD": ("Counts.", "Sleeps."), "LONG": (order, *long)}
    )
    async with (
        running_endpoint(Behaviour(obedient=True)) as endpoint,
        activities(pool, endpoint) as summaries,
    ):
        assert await summarize(summaries, graph) == 3
    found = await descriptions(pool)
    assert found["BAD"] == f"Counts.\n{order}"
    assert found["GOOD"].startswith("Summary ")
    assert found["LONG"] == "\n".join((order, *long))[:MAX_SUMMARY]
    assert await still_waiting(pool) == 0
    gaps = await pool.fetch(
        "SELECT title, kind, reason FROM model_gaps JOIN entities USING (graph_id, id)"
        " ORDER BY title"
    )
    assert [tuple(row) for row in gaps] == [
        (title, "summary", "its description is empty") for title in ("BAD", "LONG")
    ]
    assert "are listed, not summarised: its description is empty" in caplog.text
    assert "secret" not in caplog.text
    assert "Counts" not in caplog.text


async def test_a_question_that_is_too_long_for_the_model_ends_nothing(pool: asyncpg.Pool) -> None:
    graph = await folded(pool, {"ADA": ("Counts. " * 400, "Sleeps. " * 400)})
    async with (
        running_endpoint(Behaviour(context_tokens=1000)) as endpoint,
        activities(pool, endpoint) as summaries,
    ):
        assert await summarize(summaries, graph) == 1
        assert sum((await endpoint.stats()).refused.values()) > 0
    found = await descriptions(pool)
    assert found["ADA"].startswith("Counts. Counts.")
    assert "\nSleeps. Sleeps." in found["ADA"]


async def test_descriptions_that_fit_into_no_one_question_are_summarised_in_rounds(
    pool: asyncpg.Pool,
) -> None:
    texts = tuple(f"{number:03} is a number of which much is said. " * 5 for number in range(200))
    graph = await folded(pool, {"MANY": texts})
    batches = batch_descriptions(texts, OPTIONS.summary, count_tokens)
    assert len(batches) > 2
    async with running_endpoint() as endpoint, activities(pool, endpoint) as summaries:
        assert await summarize(summaries, graph) == 1
        questions = len([batch for batch in batches if len(batch) > 1])
        assert (await endpoint.stats()).begun == questions + 1
    # The simulated model repeats its question: a summary of summaries.
    assert "title: MANY; - Summary " in (await descriptions(pool))["MANY"]
