"""What runs ask of models, by the settings of the worker that opens them, and how batches go."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg

from activities.batches import BatchActivities
from graphmill.llm.batch_sending import BatchSender
from graphmill.model_endpoints import answer_expiry, open_batch_endpoints
from graphmill.model_settings import ModelRole
from graphmill.settings import Settings
from graphmill.standard.options import StandardOptions
from graphmill.stores.postgres.model_accounts import PostgresModelAccounts
from graphmill.stores.postgres.model_batches import PostgresBatchStore
from graphmill.stores.postgres.model_manners import PostgresManners
from graphmill.stores.postgres.session_locks import SessionLocks


@asynccontextmanager
async def open_batches(pool: asyncpg.Pool, settings: Settings) -> AsyncGenerator[BatchActivities]:
    """
    Raises:
        SettingsError: a variable that is to hold a key is not set.
    """
    assert settings.database_url is not None  # the pool is of that
    async with open_batch_endpoints(settings) as endpoints:
        locks, memory = SessionLocks(settings.database_url), PostgresManners(pool)
        store = PostgresBatchStore(pool, locks, answer_expiry(settings))
        sender = BatchSender(
            store,
            endpoints,
            memory,
            PostgresModelAccounts(pool),
            settings.batch_lines,
            settings.batch_bytes,
        )
        yield BatchActivities(store, endpoints, memory, sender)


def standard_options(settings: Settings) -> StandardOptions | None:
    """What runs of method standard ask by these settings; None where there is no model."""
    if not settings.answers_text:
        return None
    models = StandardOptions(
        settings.model_for(ModelRole.EXTRACTION),
        settings.model_for(ModelRole.SUMMARIES),
        settings.model_for(ModelRole.REPORTS),
    )
    return models.with_extraction(settings.extraction)
