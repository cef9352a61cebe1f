"""GET /metrics tells what models cost and how endpoints fare, and no sum of it ever falls."""

import asyncio
from uuid import uuid4

import asyncpg
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.app import create_app
from graphmill.embedded.home import Addresses
from graphmill.llm.calls import Message, Payer, Question
from graphmill.llm.faults import CallRefused
from graphmill.model_endpoints import open_model_caller
from graphmill.models import CollectionKey
from graphmill.settings import Settings, load_settings
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.model_accounts import counting_known
from graphmill.stores.postgres.model_figures import PostgresModelFigures
from tests.support.model_endpoint import Behaviour, running_endpoint

_CALLS = 40
_SPENT = {"step": "test_metrics", "model": "a-model"}


async def _read(http: httpx.AsyncClient, name: str, **labels: str) -> float:
    """The sum of the samples of that name that have these labels."""
    answer = await http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return sum(
        sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def _settings(endpoint: str, base_url: str) -> Settings:
    given = {
        "name": endpoint,
        "base_url": base_url,
        "places": 7,
        "prompt_price": 2.0,
        "completion_price": 8.0,
    }
    return load_settings({"endpoints": [given]})


async def _ask(pool: asyncpg.Pool, settings: Settings, payer: Payer, number: int) -> None:
    async with (
        counting_known(pool) as known,
        open_model_caller(pool, settings, lambda _: None, known.count) as caller,
    ):
        said = [Message("user", f"{payer.run_id} {n}") for n in range(number)]
        questions = [Question("test.v1", "a-model", (one,)) for one in said]
        await asyncio.gather(*(caller.ask(payer, one, lambda text: text) for one in questions))


async def test_calls_tokens_money_and_tries_are_counted(
    http: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    key, endpoint = CollectionKey("default", f"metrics-{uuid4()}"), f"endpoint-{uuid4()}"
    await PostgresCatalog(pool).create_collection(key)
    payer = Payer(key, uuid4(), _SPENT["step"])
    async with running_endpoint(Behaviour(places=7, rate_500=0.2, rate_429=0.1)) as simulated:
        settings = _settings(endpoint, simulated.base_url)
        await _ask(pool, settings, payer, _CALLS)
        stats = await simulated.stats()
        await _ask(pool, settings, payer, _CALLS)  # which is stored

    assert await _read(http, "graphmill_model_calls_total", **_SPENT) == _CALLS
    assert await _read(http, "graphmill_model_cached_answers_total", **_SPENT) == _CALLS
    prompt = await _read(http, "graphmill_model_tokens_total", **_SPENT, type="prompt")
    completion = await _read(http, "graphmill_model_tokens_total", **_SPENT, type="completion")
    assert min(prompt, completion) > 0
    usd = await _read(http, "graphmill_model_usd_total", **_SPENT)
    assert abs(usd - (2 * prompt + 8 * completion) / 1e6) < 1e-9

    tries = {
        outcome: await _read(
            http, "graphmill_endpoint_tries_total", endpoint=endpoint, outcome=outcome
        )
        for outcome in ("answered", "overloaded", "timed_out", "failed", "refused")
    }
    assert tries["answered"] == stats.answered == _CALLS
    assert min(tries["overloaded"], tries["failed"]) > 0
    assert sum(tries.values()) == len(stats.arrivals)
    places = {
        kind: await _read(http, "graphmill_endpoint_places", endpoint=endpoint, kind=kind)
        for kind in ("configured", "allowed", "held")
    }
    assert places["configured"] == 7
    assert 1 <= places["allowed"] <= 7
    assert places["held"] == 0


async def test_what_was_spent_for_a_collection_is_counted_when_it_is_gone(
    pool: asyncpg.Pool,
) -> None:
    key = CollectionKey("default", f"metrics-{uuid4()}")
    await PostgresCatalog(pool).create_collection(key)
    figures = PostgresModelFigures(pool, kept_seconds=0)
    async with running_endpoint(Behaviour(places=7)) as simulated:
        settings = _settings(f"endpoint-{uuid4()}", simulated.base_url)
        await _ask(pool, settings, Payer(key, uuid4(), "gone"), 3)
    spent = (await figures.load()).steps
    assert [one.use.calls for one in spent if one.step == "gone"] == [3]
    await PostgresCatalog(pool).delete_collection(key)
    assert (await figures.load()).steps == spent


async def test_calls_that_are_refused_are_tries_too(
    http: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    key, endpoint = CollectionKey("default", f"metrics-{uuid4()}"), f"endpoint-{uuid4()}"
    await PostgresCatalog(pool).create_collection(key)
    async with running_endpoint(Behaviour(api_key="another")) as simulated:
        settings = _settings(endpoint, simulated.base_url)
        with pytest.raises(CallRefused, match="key"):
            await _ask(pool, settings, Payer(key, uuid4(), "refused"), 1)
    tries = {"endpoint": endpoint, "outcome": "refused"}
    assert await _read(http, "graphmill_endpoint_tries_total", **tries) == 1


async def test_a_database_that_is_away_is_told(settings: Settings) -> None:
    app = create_app(settings, Addresses("postgresql://127.0.0.1:1/none", "127.0.0.1:1"))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
    ):
        answer = await client.get("/metrics")
    assert answer.status_code == 503
    assert "DATABASE_URL" in answer.json()["detail"]


async def test_how_many_workers_there_should_be_is_told_where_the_settings_say(
    database_url: str,
) -> None:
    settings = load_settings({"deployment": {"cpu": 3, "llm_store": 2, "store": 1, "api": 2}})
    app = create_app(settings, Addresses(database_url, None))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http,
    ):
        text = (await http.get("/metrics")).text
    told = {
        sample.labels["role"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "graphmill_workers_expected"
    }
    assert told == {"cpu": 3, "llm": 2, "store": 3}
