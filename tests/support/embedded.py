"""Text units of a graph, and a worker that has them embedded by an endpoint over HTTP."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
from temporalio.testing import ActivityEnvironment

from activities.embeddings import EmbeddingActivities
from graphmill.embedding import LocalEmbedder
from graphmill.ids import content_id
from graphmill.messages import TEXT_UNIT_TEXT, EmbedRequest
from graphmill.model_endpoints import open_model_embedder
from graphmill.model_settings import EndpointSettings
from graphmill.models import CollectionKey
from graphmill.settings import Settings, load_settings
from graphmill.stores.postgres.embeddings import PostgresEmbeddingStore
from tests.support.model_endpoint import ModelEndpoint

MODEL = "vectors-1"


def settings_of(endpoint: ModelEndpoint, **given: object) -> Settings:
    """With this endpoint and no other, whatever the environment says: it might cost money."""
    simulated = EndpointSettings.model_validate(
        {"name": "simulated", "base_url": endpoint.base_url, "places": 50, **given}
    )
    none = {"openai_base_url": None, "openai_model": None, "openai_embedding_model": None}
    return load_settings({"endpoints": (simulated,), "anthropic_model": None, **none})


async def graph_of(pool: asyncpg.Pool, key: CollectionKey, texts: Sequence[str]) -> int:
    """A graph that is nothing but text units; each has its place among those of its collection."""
    await pool.execute(
        "INSERT INTO collections (tenant, name) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        key.tenant,
        key.name,
    )
    graph_id: int = await pool.fetchval(
        "INSERT INTO graphs (tenant, collection, digest) VALUES ($1, $2, '') RETURNING id",
        key.tenant,
        key.name,
    )
    for position, text in enumerate(texts):
        id = content_id(str(position), text)
        await pool.execute(
            "INSERT INTO text_units (tenant, collection, id, document_id, position, text, n_tokens)"
            " VALUES ($1, $2, $3, $3, $4, $5, 1) ON CONFLICT DO NOTHING",
            key.tenant,
            key.name,
            id,
            position,
            text,
        )
        await pool.execute(
            "INSERT INTO graph_text_units (tenant, graph_id, text_unit_id, document_id,"
            " human_readable_id) VALUES ($1, $2, $3, $3, $4)",
            key.tenant,
            graph_id,
            id,
            position,
        )
    return graph_id


class EmbeddingWorker:
    """One process, as others see it: a session of its own."""

    def __init__(self, activities: EmbeddingActivities) -> None:
        self._activities = activities

    async def embed(
        self,
        key: CollectionKey,
        graph_id: int,
        run_id: UUID | None = None,
        index: str = TEXT_UNIT_TEXT,
        model: str = MODEL,
    ) -> int:
        request = EmbedRequest(key, graph_id, index, model, run_id or uuid4())
        return await ActivityEnvironment().run(self._activities.embed, request)


@asynccontextmanager
async def embedding_worker(
    pool: asyncpg.Pool, settings: Settings
) -> AsyncGenerator[EmbeddingWorker]:
    async with open_model_embedder(pool, settings, lambda _: None) as embedder:
        activities = EmbeddingActivities(PostgresEmbeddingStore(pool), LocalEmbedder(), embedder)
        yield EmbeddingWorker(activities)


async def vectors_of(
    pool: asyncpg.Pool, key: CollectionKey, model: str = MODEL
) -> dict[str, list[float]]:
    """By the text of the text unit."""
    rows = await pool.fetch(
        "SELECT t.text, v.embedding::real[] AS vector FROM vectors v JOIN text_units t"
        " USING (tenant, collection, id) WHERE tenant = $1 AND collection = $2 AND model = $3",
        key.tenant,
        key.name,
        model,
    )
    return {row["text"]: row["vector"] for row in rows}
