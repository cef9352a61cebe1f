"""Vectors, by the local model or by an endpoint."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg

from activities.after import AfterEach
from activities.embeddings import EmbeddingActivities
from activities.turns import TurnInterceptor
from graphmill.embedding import LocalEmbedder
from graphmill.model_endpoints import open_model_embedder
from graphmill.settings import Settings
from graphmill.stores.postgres.embeddings import PostgresEmbeddingStore
from graphmill.stores.postgres.model_accounts import counting_known
from workers.roles.retries import tell_retry
from workers.served import Served
from workflows.queues import EMBEDDING_QUEUE


@asynccontextmanager
async def serve_embedding(pool: asyncpg.Pool, settings: Settings) -> AsyncGenerator[Served]:
    async with (
        counting_known(pool) as known,
        open_model_embedder(pool, settings, tell_retry, known.count) as model,
    ):
        activities = EmbeddingActivities(PostgresEmbeddingStore(pool), LocalEmbedder(), model)
        yield Served(
            EMBEDDING_QUEUE,
            activities=(activities.embed,),
            concurrent_activities=settings.embedding_concurrency,
            interceptors=(AfterEach(known.write), TurnInterceptor()),
        )
