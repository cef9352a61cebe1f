"""Endpoints of models as a worker asks them: the fleet's limits, answers that are paid for once."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import asyncpg

from graphmill.llm.budgets import Budgets
from graphmill.llm.caller import ModelCaller
from graphmill.llm.calls import Payer, Question
from graphmill.llm.client import Address, open_client
from graphmill.llm.gate import Gate
from graphmill.llm.limits import Limits, paced
from graphmill.llm.pool import Endpoint, EndpointPool, Retried
from graphmill.model_settings import EndpointSettings, ModelRole, key_of
from graphmill.settings import Settings
from graphmill.standard.options import StandardOptions
from graphmill.stores.postgres.model_accounts import PostgresModelAccounts
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
        hours = settings.model_answer_hours
        calls = PostgresCallStore(pool, session, timedelta(hours=hours) if hours else None)
        asked = EndpointPool(endpoints, count_tokens, on_retry)
        budgets = Budgets(PostgresModelAccounts(pool), asked.estimate)
        yield ModelCaller(calls, asked, budgets, on_known)


def standard_options(settings: Settings) -> StandardOptions | None:
    """What runs of method standard ask by these settings; None where there is no model."""
    if not settings.model_endpoints:
        return None
    models = StandardOptions(
        settings.model_for(ModelRole.EXTRACTION),
        settings.model_for(ModelRole.SUMMARIES),
        settings.model_for(ModelRole.REPORTS),
    )
    return models.with_extraction(settings.extraction)


def _limits(given: EndpointSettings, settings: Settings) -> Limits:
    return Limits(
        places=given.places or settings.llm_concurrency,
        requests_per_minute=given.requests_per_minute,
        tokens_per_minute=given.tokens_per_minute,
        adapts=given.places is None,
    )


def _address(given: EndpointSettings) -> Address:
    return Address(given.name, given.base_url, key_of(given), given.models)
