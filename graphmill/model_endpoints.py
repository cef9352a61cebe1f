"""Endpoints of models as a process asks them: the fleet's limits, answers paid for once."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg

from graphmill.llm.addresses import Address
from graphmill.llm.batch_endpoints import BatchEndpoint, BatchEndpoints
from graphmill.llm.budgets import Budgets
from graphmill.llm.caller import ModelCaller
from graphmill.llm.calls import Asked, Payer
from graphmill.llm.embedder import ModelEmbedder
from graphmill.llm.gate import Gate
from graphmill.llm.limits import Limits
from graphmill.llm.pool import Endpoint, EndpointPool, Price, Retried
from graphmill.model_settings import EndpointSettings, key_of
from graphmill.settings import Settings
from graphmill.stores.postgres.batch_questions import PostgresBatchQuestions
from graphmill.stores.postgres.model_accounts import PostgresModelAccounts
from graphmill.stores.postgres.model_calls import PostgresCallStore
from graphmill.stores.postgres.model_limits import PostgresLimitStore
from graphmill.stores.postgres.model_manners import PostgresManners
from graphmill.stores.postgres.model_sessions import open_session
from graphmill.stores.postgres.text_vectors import PostgresPaidVectors
from graphmill.tokens import count_tokens


@asynccontextmanager
async def open_model_caller(
    pool: asyncpg.Pool,
    settings: Settings,
    on_retry: Callable[[Retried], None],
    on_known: Callable[[Payer, Asked], None] = lambda payer, question: None,
) -> AsyncGenerator[ModelCaller]:
    """`on_retry` and `on_known` as of EndpointPool and ModelCaller.

    Raises:
        SettingsError: a variable that is to hold a key is not set.
    """
    async with _open_endpoints(pool, settings, on_retry) as opened:
        calls = PostgresCallStore(pool, opened.session, opened.expiry)
        async with aclosing(calls):
            yield ModelCaller(calls, opened.endpoints, opened.budgets, on_known)


@asynccontextmanager
async def open_model_embedder(
    pool: asyncpg.Pool,
    settings: Settings,
    on_retry: Callable[[Retried], None],
    on_known: Callable[[Payer, Asked], None] = lambda payer, question: None,
    tenants: asyncpg.Pool | None = None,
) -> AsyncGenerator[ModelEmbedder]:
    """As open_model_caller; `tenants`: where vectors are read and kept by who acts for a tenant."""
    async with _open_endpoints(pool, settings, on_retry) as opened:
        vectors = PostgresPaidVectors(tenants or pool, opened.session, opened.expiry)
        async with aclosing(vectors):
            yield ModelEmbedder(vectors, opened.endpoints, count_tokens, opened.budgets, on_known)


@asynccontextmanager
async def open_later_caller(pool: asyncpg.Pool, settings: Settings) -> AsyncGenerator[ModelCaller]:
    """A caller that asks nobody: questions without an answer wait for a batch. Its claims are of a
    session of its own, since it gives back at once what others here keep while they ask."""
    async with open_session(pool) as session:
        calls = PostgresCallStore(pool, session, answer_expiry(settings))
        nobody = EndpointPool((), count_tokens)
        async with aclosing(calls):
            yield ModelCaller(calls, nobody, later=PostgresBatchQuestions(pool))


@asynccontextmanager
async def open_batch_endpoints(settings: Settings) -> AsyncGenerator[BatchEndpoints]:
    """Those that have a Batch API, as far as the settings know.

    Raises:
        SettingsError: a variable that is to hold a key is not set.
    """
    given = [one for one in settings.model_endpoints if one.batch]
    async with AsyncExitStack() as stack:
        yield BatchEndpoints([await _open_batch_endpoint(one, stack) for one in given])


async def _open_batch_endpoint(given: EndpointSettings, stack: AsyncExitStack) -> BatchEndpoint:
    # The openai library is loaded where an endpoint is set: a third of a worker's time to start.
    from graphmill.llm.batch_client import open_batch_client

    client = await stack.enter_async_context(open_batch_client(_address(given)))
    return BatchEndpoint(given.name, client, frozenset(given.models), given.weight, *_prices(given))


@dataclass(frozen=True, slots=True)
class _Opened:
    session: UUID
    endpoints: EndpointPool
    budgets: Budgets
    expiry: timedelta | None


@asynccontextmanager
async def _open_endpoints(
    pool: asyncpg.Pool, settings: Settings, on_retry: Callable[[Retried], None]
) -> AsyncGenerator[_Opened]:
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session(pool))
        limits = PostgresLimitStore(pool, session)
        manners = PostgresManners(pool)
        endpoints: list[Endpoint] = []
        for given in settings.model_endpoints:
            from graphmill.llm.client import open_client  # likewise

            allowed = _limits(given, settings)
            await limits.declare(given.name, allowed)
            client = await stack.enter_async_context(
                open_client(_address(given), given.timeout_seconds, manners)
            )
            gate = Gate(given.name, limits)
            stack.push_async_callback(gate.close)
            endpoints.append(
                Endpoint(
                    given.name,
                    gate,
                    client,
                    frozenset(given.models),
                    given.weight,
                    *_prices(given),
                )
            )
        asked = EndpointPool(endpoints, count_tokens, on_retry)
        budgets = Budgets(PostgresModelAccounts(pool), asked.estimate)
        yield _Opened(session, asked, budgets, answer_expiry(settings))


def answer_expiry(settings: Settings) -> timedelta | None:
    """How long an answer counts; None: for ever."""
    hours = settings.model_answer_hours
    return timedelta(hours=hours) if hours else None


def _prices(given: EndpointSettings) -> tuple[Price, dict[str, Price]]:
    """Of most of its models, and of those that cost something else."""
    return Price(given.prompt_price or 0.0, given.completion_price or 0.0), {
        model: Price(price.prompt, price.completion) for model, price in given.prices.items()
    }


def _limits(given: EndpointSettings, settings: Settings) -> Limits:
    return Limits(
        places=given.places or settings.llm_concurrency,
        requests_per_minute=given.requests_per_minute,
        tokens_per_minute=given.tokens_per_minute,
        adapts=given.places is None,
    )


def _address(given: EndpointSettings) -> Address:
    return Address(given.name, given.base_url, key_of(given), given.models)
