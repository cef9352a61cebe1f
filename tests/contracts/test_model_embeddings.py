"""Embedding by a model on a real PostgreSQL, asking an endpoint over HTTP."""

import asyncio
from array import array
from functools import partial
from uuid import uuid4

import asyncpg
import pytest

from graphmill.gaps import EmbeddingGaps, Missing
from graphmill.llm.budgets import OverBudget
from graphmill.llm.calls import InvalidAnswer
from graphmill.llm.faults import CallRefused
from graphmill.llm.vectors import MOST_TOKENS
from graphmill.messages import TEXT_UNIT_TEXT
from graphmill.models import CollectionKey
from graphmill.stores.postgres.gaps import load_embedding_gaps
from graphmill.stores.postgres.model_accounts import PostgresModelAccounts
from tests.support.embedded import (
    MODEL,
    embedding_worker,
    graph_of,
    settings_of,
    vectors_of,
)
from tests.support.model_endpoint import Behaviour, ModelEndpoint
from tests.support.model_endpoint.answers.vectors import vector_of
from tests.support.waiting import until

DIMENSIONS = 64
KEY = CollectionKey("default", "sample")


@pytest.fixture
async def endpoint(model_process: ModelEndpoint) -> ModelEndpoint:
    await model_process.change(**Behaviour(dimensions=DIMENSIONS).to_json())
    await model_process.reset()
    return model_process


def answered(text: str) -> list[float]:
    """As four-byte floats."""
    return list(array("f", vector_of(text, DIMENSIONS)))


async def no_claim_is_left(pool: asyncpg.Pool) -> bool:
    return not await pool.fetchval("SELECT count(*) FROM model_claims")


def numbered(count: int, words: str = "Text") -> list[str]:
    return [f"{words} number {number}." for number in range(count)]


async def test_sixteen_texts_are_embedded_by_a_call_and_each_only_once(
    pool: asyncpg.Pool, endpoint: ModelEndpoint
) -> None:
    texts = numbered(40)
    graph, run_id = await graph_of(pool, KEY, texts), uuid4()
    settings = settings_of(endpoint, prices={MODEL: {"prompt": 0.02}})
    async with embedding_worker(pool, settings) as worker:
        assert await worker.embed(KEY, graph, run_id) == 40
        assert await vectors_of(pool, KEY) == {text: answered(text) for text in texts}
        assert await worker.embed(KEY, graph, run_id) == 0
    stats = await endpoint.stats()
    assert (stats.begun, stats.answered) == (3, 3)
    use = (await PostgresModelAccounts(pool).run_use(run_id)).steps["embed"]
    assert (use.calls, use.prompt_tokens, use.completion_tokens) == (3, stats.prompt_tokens, 0)
    assert use.nano_usd == pytest.approx(20 * stats.prompt_tokens, abs=3)

    # Another collection, its worker another one: nothing but what nobody has paid for yet.
    other = CollectionKey("default", "other")
    more = await graph_of(pool, other, [*texts, "New.", *texts[:5]])
    async with embedding_worker(pool, settings) as worker:
        assert await worker.embed(other, more) == 46
    assert (await endpoint.stats()).begun == 4
    assert (await vectors_of(pool, other))["New."] == answered("New.")
    # What one tenant has paid for answers nobody else.
    stranger = CollectionKey("stranger", "sample")
    async with embedding_worker(pool, settings) as worker:
        await worker.embed(stranger, await graph_of(pool, stranger, texts[:1]))
    assert (await endpoint.stats()).begun == 5


async def test_a_call_has_8191_tokens_at_most_and_a_longer_text_is_cut(
    pool: asyncpg.Pool, endpoint: ModelEndpoint
) -> None:
    longest = "It" + " rains" * 9000  # a token each
    texts = [longest, *(f"{number} " + "rain and snow " * 1000 for number in range(4)), " \n\t"]
    graph = await graph_of(pool, KEY, texts)
    async with embedding_worker(pool, settings_of(endpoint)) as worker:
        assert await worker.embed(KEY, graph) == 5
    # Two of 3,000 tokens together; the one that is cut alone; nothing that is empty.
    assert (await endpoint.stats()).answered == 3
    found = await vectors_of(pool, KEY)
    assert found.keys() == set(texts[:5])
    assert found[longest] == answered("It" + " rains" * (MOST_TOKENS - 1))
    assert await load_embedding_gaps(pool, KEY) == EmbeddingGaps(cut=1)


async def test_the_same_texts_at_the_same_time_are_one_call(
    pool: asyncpg.Pool, endpoint: ModelEndpoint
) -> None:
    await endpoint.change(seconds=0.3)
    texts = numbered(20)
    keys = [CollectionKey("default", name) for name in ("one", "two", "three")]
    graphs = [await graph_of(pool, key, texts) for key in keys]
    settings = settings_of(endpoint)
    async with (
        embedding_worker(pool, settings) as worker,
        embedding_worker(pool, settings) as other,
    ):
        done = await asyncio.gather(
            worker.embed(keys[0], graphs[0]),
            worker.embed(keys[1], graphs[1]),
            other.embed(keys[2], graphs[2]),
        )
    assert done == [20, 20, 20]
    stats = await endpoint.stats()
    assert stats.prompt_tokens == sum((len(text) + 3) // 4 for text in texts)
    assert stats.repeats == 0


async def test_as_many_calls_are_in_the_air_as_the_endpoint_has_places(
    pool: asyncpg.Pool, endpoint: ModelEndpoint
) -> None:
    await endpoint.change(seconds=0.2)
    graph = await graph_of(pool, KEY, numbered(12 * 16))
    async with embedding_worker(pool, settings_of(endpoint, places=4)) as worker:
        await worker.embed(KEY, graph)
    assert (await endpoint.stats()).most_in_air == 4


async def test_faults_of_an_endpoint_change_no_vector(
    pool: asyncpg.Pool, endpoint: ModelEndpoint
) -> None:
    """A truncated answer lacks a vector."""
    await endpoint.change(rate_429=0.1, rate_500=0.1, rate_truncated=0.05, retry_after=0.1, seed=8)
    texts = numbered(20 * 16)
    graph = await graph_of(pool, KEY, texts)
    async with embedding_worker(pool, settings_of(endpoint)) as worker:
        assert await worker.embed(KEY, graph) == len(texts)
    stats = await endpoint.stats()
    assert {"429", "500", "truncated"} <= stats.faults.keys()
    assert stats.repeats_of_answered == 0
    assert await vectors_of(pool, KEY) == {text: answered(text) for text in texts}


async def test_a_worker_that_dies_has_what_was_answered_stored(
    pool: asyncpg.Pool, endpoint: ModelEndpoint
) -> None:
    await endpoint.change(places=5, seconds=0.1)
    texts = numbered(40 * 16)
    graph = await graph_of(pool, KEY, texts)
    settings = settings_of(endpoint, places=5)
    async with embedding_worker(pool, settings) as worker:
        running = asyncio.create_task(worker.embed(KEY, graph))
        while (await endpoint.stats(arrivals=False)).answered < 10:
            await asyncio.sleep(0.02)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    before = await endpoint.stats()
    # Not a row of the graph has to have them: they count by their texts.
    await pool.execute("DELETE FROM vectors")
    async with embedding_worker(pool, settings) as worker:
        assert await worker.embed(KEY, graph) == len(texts)
    stats = await endpoint.stats()
    assert before.answered >= 10
    assert stats.answered - 40 <= 5  # what was in the air
    assert await vectors_of(pool, KEY) == {text: answered(text) for text in texts}


async def test_a_model_with_other_dimensions_than_before_is_none_and_is_told(
    pool: asyncpg.Pool, endpoint: ModelEndpoint
) -> None:
    async with embedding_worker(pool, settings_of(endpoint)) as worker:
        await worker.embed(KEY, await graph_of(pool, KEY, ["One."]))
        await endpoint.change(dimensions=2 * DIMENSIONS)
        await endpoint.reset()
        graph, run_id = await graph_of(pool, KEY, ["Two."]), uuid4()
        with pytest.raises(InvalidAnswer, match=r"have 128 dimensions, .* kept have 64; another"):
            await worker.embed(KEY, graph, run_id)
        stats = await endpoint.stats()
        assert stats.answered == 4
        # They cost all the same, and another worker may ask.
        use = (await PostgresModelAccounts(pool).run_use(run_id)).total
        assert (use.calls, use.prompt_tokens) == (4, stats.prompt_tokens)
        await until(partial(no_claim_is_left, pool))
        assert await worker.embed(KEY, graph, model="another-model") == 1


async def test_a_model_that_nobody_knows_ends_the_run_with_words(
    pool: asyncpg.Pool, endpoint: ModelEndpoint
) -> None:
    await endpoint.change(models=["a-chat-model"])
    graph = await graph_of(pool, KEY, numbered(100))
    async with embedding_worker(pool, settings_of(endpoint, places=1)) as worker:
        with pytest.raises(CallRefused, match="OPENAI_EMBEDDING_MODEL"):
            await worker.embed(KEY, graph)
    assert (await endpoint.stats()).answered == 0
    served = settings_of(endpoint, models={"a-chat-model": "a-chat-model"})
    async with embedding_worker(pool, served) as worker:
        with pytest.raises(CallRefused, match="no endpoint serves model 'vectors-1'"):
            await worker.embed(KEY, graph)


async def test_a_text_longer_than_the_model_takes_is_embedded_by_its_beginning(
    pool: asyncpg.Pool, endpoint: ModelEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    await endpoint.change(context_tokens=100)
    long = "secret " * 200
    texts = [*numbered(5), long]
    graph = await graph_of(pool, KEY, texts)
    async with embedding_worker(pool, settings_of(endpoint)) as worker:
        assert await worker.embed(KEY, graph) == 6
        found = await vectors_of(pool, KEY)
        assert found[texts[0]] == answered(texts[0])
        assert found[long] == answered(long[: len("secret " * 50) - 1])
        assert await load_embedding_gaps(pool, KEY) == EmbeddingGaps(cut=1)
        # Nor is it whole for who has the same text, and pays nothing for it.
        other = CollectionKey("default", "other")
        asked = (await endpoint.stats()).begun
        assert await worker.embed(other, await graph_of(pool, other, texts)) == 6
        assert (await endpoint.stats()).begun == asked
        assert await load_embedding_gaps(pool, other) == EmbeddingGaps(cut=1)
        # One that is refused whatever is left of it has none, where the model takes others.
        await endpoint.change(context_tokens=3)
        graph = await graph_of(pool, KEY, ["another secret " * 100])
        assert await worker.embed(KEY, graph) == 0
        assert "1 texts of text_unit_text" in caplog.text
        assert "secret" not in caplog.text
        gaps = await load_embedding_gaps(pool, KEY)
        assert (gaps.missing, gaps.cut) == (1, 1)
        assert "longer than its model takes" in gaps.reasons[0].reason


async def test_a_text_that_the_endpoint_refuses_has_no_vector_is_told_and_asked_for_alone(
    pool: asyncpg.Pool, endpoint: ModelEndpoint
) -> None:
    await endpoint.change(filtered="secret")
    texts = [*numbered(20), "A secret.", "Another secret."]
    graph = await graph_of(pool, KEY, texts)
    async with embedding_worker(pool, settings_of(endpoint)) as worker:
        assert await worker.embed(KEY, graph) == 20
        assert set(await vectors_of(pool, KEY)) == set(texts[:20])
        why = "endpoint 'simulated' refuses the call (400, content_filter)"
        refused = Missing(TEXT_UNIT_TEXT, why, 2)
        assert await load_embedding_gaps(pool, KEY) == EmbeddingGaps(missing=2, reasons=(refused,))
        # Nobody waits for a claim on it, and nothing else is asked for again.
        await until(partial(no_claim_is_left, pool))
        await endpoint.change(filtered=None)
        await endpoint.reset()
        assert await worker.embed(KEY, graph) == 2
    assert (await endpoint.stats()).prompt_tokens == sum((len(t) + 3) // 4 for t in texts[20:])
    assert await vectors_of(pool, KEY) == {text: answered(text) for text in texts}


async def test_a_run_without_money_embeds_only_what_is_paid_for(
    pool: asyncpg.Pool, endpoint: ModelEndpoint
) -> None:
    settings = settings_of(endpoint, prompt_price=1, completion_price=0)
    graph, run_id = await graph_of(pool, KEY, ["One."]), uuid4()
    await pool.execute(
        "INSERT INTO runs (id, tenant, collection, workflow_id, method, state, phase,"
        " budget_nano_usd) VALUES ($1, 'default', 'sample', '', 'fast', 'running', '', 0)",
        run_id,
    )
    async with embedding_worker(pool, settings) as worker:
        with pytest.raises(OverBudget, match="the budget of the run is 0"):
            await worker.embed(KEY, graph, run_id)
        await worker.embed(KEY, graph)
        await pool.execute("DELETE FROM vectors")
        assert await worker.embed(KEY, graph, run_id) == 1
    assert (await endpoint.stats()).begun == 1


async def test_an_endpoint_that_takes_no_base64_is_asked_for_numbers_once_and_for_all(
    pool: asyncpg.Pool, endpoint: ModelEndpoint
) -> None:
    await endpoint.change(base64=False)
    texts = numbered(3)
    for text in texts:
        async with embedding_worker(pool, settings_of(endpoint)) as worker:
            await worker.embed(KEY, await graph_of(pool, KEY, [text]))
    stats = await endpoint.stats()
    assert (stats.refused, stats.answered) == ({"encoding_format": 1}, 3)
    assert await vectors_of(pool, KEY) == {text: answered(text) for text in texts}
