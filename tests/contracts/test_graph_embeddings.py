"""Which model a published graph is embedded by, that questions are embedded by the same, and what
it means for a run that some texts have no vector."""

from uuid import uuid4

import asyncpg
import pytest

from graphmill.embedding import LocalEmbedder
from graphmill.errors import SettingsError
from graphmill.messages import TEXT_UNIT_TEXT, VECTOR_INDEXES, RunRecord
from graphmill.models import CollectionKey, Phase, RunState
from graphmill.question_vectors import EndpointQuestionVectors
from graphmill.search import SearchEmbedder, basic_search, local_search, rank_basically
from graphmill.settings import PruneSettings, Settings
from graphmill.stores.postgres.gaps import load_embedding_gaps
from graphmill.stores.postgres.graph import PostgresGraphStore
from graphmill.stores.postgres.indexing import PostgresIndexingStore
from graphmill.stores.postgres.search import PostgresSearchStore
from tests.published_graph import publish
from tests.support.embedded import MODEL, embedding_worker, settings_of
from tests.support.model_endpoint import Behaviour, ModelEndpoint

KEY = CollectionKey("default", "files")
RIVER = "The Bubye River is a tributary of the Limpopo River in the Beitbridge District."
FILES = {
    "river.md": RIVER.encode(),
    "falls.md": b"Victoria Falls is the largest waterfall of Zimbabwe, on the Zambezi River.",
    "bread.md": b"Knead the dough of the loaf for ten minutes and bake it for an hour.",
}


@pytest.fixture
async def endpoint(model_process: ModelEndpoint) -> ModelEndpoint:
    await model_process.change(**Behaviour(dimensions=32).to_json())
    await model_process.reset()
    return model_process


async def embed_by(pool: asyncpg.Pool, settings: Settings, graph: int, model: str) -> None:
    """As a run does that finds the graph standing, embedded by another model."""
    async with embedding_worker(pool, settings) as worker:
        for index in VECTOR_INDEXES:
            await worker.embed(KEY, graph, index=index, model=model)
    await PostgresGraphStore(pool, PruneSettings()).publish_graph(KEY, graph, model)


async def models(pool: asyncpg.Pool) -> set[str]:
    return {row["model"] for row in await pool.fetch("SELECT DISTINCT model FROM vectors")}


async def test_a_graph_is_to_be_embedded_anew_where_another_model_is_set(
    pool: asyncpg.Pool, endpoint: ModelEndpoint
) -> None:
    store, local = PostgresIndexingStore(pool), LocalEmbedder().model
    assert await store.graph_to_embed(KEY, MODEL) is None  # there is none
    graph, settings = await publish(pool, KEY, FILES), settings_of(endpoint)
    vectors = await pool.fetchval("SELECT count(*) FROM vectors")
    assert await store.graph_to_embed(KEY, "") is None
    assert await store.graph_to_embed(KEY, MODEL) == graph

    await embed_by(pool, settings, graph, MODEL)
    assert await store.graph_to_embed(KEY, MODEL) is None
    assert await store.graph_to_embed(KEY, "") == graph
    # Those of the other model go, and there are as many as before.
    assert await models(pool) == {MODEL}
    assert await pool.fetchval("SELECT count(*) FROM vectors") == vectors

    await embed_by(pool, settings, graph, "vectors-2")
    assert await models(pool) == {"vectors-2"}
    await embed_by(pool, settings, graph, "")
    assert await models(pool) == {local}
    asked = (await endpoint.stats()).begun
    await embed_by(pool, settings, graph, MODEL)
    # Both models' vectors were paid for; the first one's are found again.
    assert (await endpoint.stats()).begun == asked
    assert await pool.fetchval("SELECT count(*) FROM vectors") == vectors


async def test_a_graph_with_texts_that_were_refused_is_embedded_again_until_none_is_left(
    pool: asyncpg.Pool, endpoint: ModelEndpoint
) -> None:
    store = PostgresIndexingStore(pool)
    graph, settings = await publish(pool, KEY, FILES), settings_of(endpoint)
    run_id = uuid4()
    await pool.execute(
        "INSERT INTO runs (id, tenant, collection, workflow_id, method, state, phase)"
        " VALUES ($1, 'default', 'files', '', 'fast', 'running', '')",
        run_id,
    )
    ended = RunRecord(run_id, RunState.COMPLETED, Phase.DONE)
    await endpoint.change(filtered="Knead")
    await embed_by(pool, settings, graph, MODEL)
    gaps = await load_embedding_gaps(pool, KEY)
    assert gaps.missing > 0
    assert TEXT_UNIT_TEXT in {one.kind for one in gaps.reasons}
    assert (await store.record_run(ended)).state is RunState.COMPLETED_WITH_FAILURES
    assert await store.graph_to_embed(KEY, MODEL) == graph
    # The local model refuses nothing; what another one refused is no gap of the graph's then.
    await embed_by(pool, settings, graph, "")
    assert not await load_embedding_gaps(pool, KEY)
    assert (await store.record_run(ended)).state is RunState.COMPLETED

    await embed_by(pool, settings, graph, MODEL)
    assert await load_embedding_gaps(pool, KEY) == gaps
    await endpoint.change(filtered=None)
    await endpoint.reset()
    await embed_by(pool, settings, graph, MODEL)
    # A call for each vector index at most: each asks for what is missing alone.
    assert 1 <= (await endpoint.stats()).begun <= len(VECTOR_INDEXES)
    assert not await load_embedding_gaps(pool, KEY)
    assert await store.graph_to_embed(KEY, MODEL) is None
    assert (await store.record_run(ended)).state is RunState.COMPLETED


async def test_a_question_is_embedded_by_the_model_of_its_graph_and_paid_once(
    pool: asyncpg.Pool, tenant_pool: asyncpg.Pool, endpoint: ModelEndpoint
) -> None:
    graph, settings = await publish(pool, KEY, FILES), settings_of(endpoint)
    await embed_by(pool, settings, graph, MODEL)
    await endpoint.reset()
    store = PostgresSearchStore(tenant_pool)
    by_model = EndpointQuestionVectors(pool, tenant_pool, settings)
    embedder = SearchEmbedder(LocalEmbedder(), by_model)
    try:
        # Near to the simulated model is nothing but the very same text.
        best = (await rank_basically(store, embedder, KEY, RIVER))[0]
        assert best.document_name == "river.md"
        async with store.snapshot(KEY) as opened:
            assert opened is not None
            vector = await embedder.embed(KEY, MODEL, RIVER)
            nearest = await opened.nearest_text_units(MODEL, vector.vector, 1)
        assert nearest == {best.id: pytest.approx(1.0)}
        assert (await endpoint.stats()).begun == 0  # the text unit has paid for it
        for search in (basic_search, local_search):
            answer = await search(store, embedder, KEY, "Where is the Bubye River?")
            assert RIVER in answer.answer
        assert (await endpoint.stats()).begun == 1
    finally:
        await by_model.close()


async def test_a_model_that_cannot_be_asked_here_is_told_in_words(
    pool: asyncpg.Pool, tenant_pool: asyncpg.Pool, endpoint: ModelEndpoint
) -> None:
    graph = await publish(pool, KEY, FILES)
    await embed_by(pool, settings_of(endpoint), graph, MODEL)
    await endpoint.change(models=["another"])
    store = PostgresSearchStore(tenant_pool)
    words = r"collection 'files' is embedded by the model 'vectors-1', .* cannot be asked here"
    for settings, why in (
        (settings_of(endpoint), "does not know the model"),
        (settings_of(endpoint, models={"another": "another"}), "no endpoint serves"),
    ):
        by_model = EndpointQuestionVectors(pool, tenant_pool, settings)
        embedder = SearchEmbedder(LocalEmbedder(), by_model)
        try:
            with pytest.raises(SettingsError, match=f"{words}.*{why}"):
                await basic_search(store, embedder, KEY, "Where is the Bubye River?")
        finally:
            await by_model.close()


async def test_a_graph_that_is_embedded_anew_meanwhile_is_asked_by_its_new_model(
    pool: asyncpg.Pool, tenant_pool: asyncpg.Pool, endpoint: ModelEndpoint
) -> None:
    graph, settings = await publish(pool, KEY, FILES), settings_of(endpoint)
    asked: list[str] = []

    async def by_model(key: CollectionKey, model: str, question: str) -> list[float]:
        asked.append(model)
        if model == MODEL:
            await embed_by(pool, settings, graph, "vectors-2")
        return [1.0] * 32

    await embed_by(pool, settings, graph, MODEL)
    store, embedder = PostgresSearchStore(tenant_pool), SearchEmbedder(LocalEmbedder(), by_model)
    answer = await basic_search(store, embedder, KEY, "Where is the Bubye River?")
    assert RIVER in answer.answer
    assert asked == [MODEL, "vectors-2"]
