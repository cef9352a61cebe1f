"""Endpoints of models as a worker asks them: the fleet's limits, answers that are paid for once."""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import asyncpg

from activities.batches import BatchActivities
from graphmill.errors import SettingsError
from graphmill.llm.batch_client import open_batch_client
from graphmill.llm.batch_endpoints import BatchEndpoint, BatchEndpoints
from graphmill.llm.budgets import Budgets
from graphmill.llm.caller import ModelCaller
from graphmill.llm.calls import Payer, Question
from graphmill.llm.client import Address, open_client
from graphmill.llm.gate import Gate
from graphmill.llm.limits import Limits, paced
from graphmill.llm.pool import Endpoint, EndpointPool, Retried
from graphmill.model_settings import EndpointSettings, ModelRole
from graphmill.settings import Settings
from graphmill.standard.options import StandardOptions
from graphmill.stores.postgres.model_accounts import PostgresModelAccounts
from graphmill.stores.postgres.model_batches import PostgresBatchStore
from graphmill.stores.postgres.model_calls import PostgresCallStore
from graphmill.stores.postgres.model_limits import PostgresLimitStore
from graphmill.stores.postgres.model_manners import PostgresManners
from graphmill.stores.postgres.model_sessions import open_session
from graphmill.tokens import count_tokens


@asynccontextmanager
async def open_model_caller(
    pool: asyncpg.Pool,
    settings: Settings,
    on_retry: Callable[[Retried], None],
    on_known: Callable[[Payer, Question], None] = lambda payer, question: None,
) -> AsyncGenerator[ModelCaller]:
    """`on_retry` and `on_known` as of EndpointPool and ModelCaller.

    Raises:
        SettingsError: a variable that is to hold a key is not set.
    """
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session(pool))
        limits = PostgresLimitStore(pool, session)
        manners = PostgresManners(pool)
        endpoints: list[Endpoint] = []
        for given in settings.model_endpoints:
            allowed = _limits(given, settings)
            await limits.declare(given.name, allowed)
            client = await stack.enter_async_context(
                open_client(_address(given), allowed.places, given.timeout_seconds, manners)
            )
            gate = Gate(given.name, limits, paced=paced(allowed))
            stack.push_async_callback(gate.close)
            endpoints.append(
                Endpoint(
                    given.name,
                    gate,
                    client,
                    frozenset(given.models),
                    given.weight,
                    given.prompt_price or 0.0,
                    given.completion_price or 0.0,
                )
            )
        calls = PostgresCallStore(pool, session, _expiry(settings))
        asked = EndpointPool(endpoints, count_tokens, on_retry)
        budgets = Budgets(PostgresModelAccounts(pool), asked.estimate)
        yield ModelCaller(calls, asked, budgets, on_known)


@asynccontextmanager
async def open_later_caller(pool: asyncpg.Pool, settings: Settings) -> AsyncGenerator[ModelCaller]:
    """A caller that asks nobody: questions without an answer wait for a batch. Its claims are of a
    session of its own, since it gives back at once what others here keep while they ask."""
    async with open_session(pool) as session:
        calls = PostgresCallStore(pool, session, _expiry(settings))
        nobody = EndpointPool((), count_tokens)
        yield ModelCaller(calls, nobody, later=PostgresBatchStore(pool))


@asynccontextmanager
async def open_batches(pool: asyncpg.Pool, settings: Settings) -> AsyncGenerator[BatchActivities]:
    """
    Raises:
        SettingsError: a variable that is to hold a key is not set.
    """
    async with AsyncExitStack() as stack:
        endpoints = [
            BatchEndpoint(
                given.name,
                await stack.enter_async_context(open_batch_client(_address(given))),
                frozenset(given.models),
                given.weight,
                given.prompt_price or 0.0,
                given.completion_price or 0.0,
            )
            for given in settings.model_endpoints
            if given.batch
        ]
        yield BatchActivities(
            PostgresBatchStore(pool),
            BatchEndpoints(endpoints),
            PostgresManners(pool),
            PostgresModelAccounts(pool),
            settings.batch_lines,
            settings.batch_bytes,
        )


def standard_options(settings: Settings) -> StandardOptions | None:
    """What runs of method standard ask by these settings; None where there is no model."""
    if not settings.model_endpoints:
        return None
    return StandardOptions(
        settings.model_for(ModelRole.EXTRACTION),
        settings.model_for(ModelRole.SUMMARIES),
        settings.model_for(ModelRole.REPORTS),
        settings.extraction.graph_schema,
        settings.extraction.gleanings,
        settings.extraction.language,
    )


def _expiry(settings: Settings) -> timedelta | None:
    hours = settings.model_answer_hours
    return timedelta(hours=hours) if hours else None


def _limits(given: EndpointSettings, settings: Settings) -> Limits:
    return Limits(
        places=given.places or settings.llm_concurrency,
        requests_per_minute=given.requests_per_minute,
        tokens_per_minute=given.tokens_per_minute,
        adapts=given.places is None,
    )


def _address(given: EndpointSettings) -> Address:
    key = given.api_key.get_secret_value() if given.api_key else ""
    if given.api_key_env:
        key = os.environ.get(given.api_key_env, "")
        if not key:
            raise SettingsError(
                f"endpoint {given.name!r} takes its key from {given.api_key_env}, which is not set"
            )
    return Address(given.name, given.base_url, key, given.models)
