"""A document is read by a model as far as the money goes, and later from there on.

The activity, the stores and the way to an endpoint over HTTP are the real ones; the model is
simulated.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from temporalio.testing import ActivityEnvironment

from activities.extraction import ExtractionActivities
from graphmill.ids import document_id, text_unit_id
from graphmill.index_request import IndexRequest
from graphmill.llm.budgets import OverBudget
from graphmill.messages import (
    IndexDocumentInput,
    IndexDocumentResult,
    OpenRun,
    Recipe,
)
from graphmill.model_endpoints import open_model_caller
from graphmill.model_settings import EndpointSettings
from graphmill.models import (
    CollectionKey,
    DocumentState,
    Method,
    ParsedDocument,
    ProcessedDocument,
    TextUnit,
)
from graphmill.processing import reading, recipe
from graphmill.run_status import ModelUse
from graphmill.settings import load_settings
from graphmill.standard.options import StandardOptions
from graphmill.stores.postgres.indexing import PostgresIndexingStore
from graphmill.stores.postgres.model_accounts import PostgresModelAccounts, counting_known
from graphmill.stores.postgres.model_extractions import PostgresModelExtractionStore
from graphmill.stores.postgres.options import PostgresOptionsStore
from tests.contracts.collections import upload
from tests.support.model_endpoint import Behaviour, ModelEndpoint, running_endpoint

OPTIONS = StandardOptions("a-model", "a-model", "a-model", gleanings=1)
RECIPE = Recipe(Method.STANDARD, 1200, 100, OPTIONS.digest, OPTIONS.extraction_digest)
NAME = "letters.txt"
UNITS = 12
PLACES = 4


@pytest.fixture
async def endpoint() -> AsyncIterator[ModelEndpoint]:
    async with running_endpoint(Behaviour(places=PLACES, seconds=0.02)) as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def no_settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def read(pool: asyncpg.Pool, key: CollectionKey) -> None:
    """A document that waits for a model."""
    id = document_id(NAME)
    texts = [
        f"Letter {number}. Ada Lovelace met Charles Babbage {number} times in London."
        for number in range(UNITS)
    ]
    units = tuple(
        TextUnit(text_unit_id(id, position, text), id, position, text, 20)
        for position, text in enumerate(texts)
    )
    store = PostgresIndexingStore(pool)
    await upload(pool, {NAME: b"letters"}, key)
    await store.next_page(key, 0, 10)
    stored = await store.load_document(key, id)
    assert stored is not None
    parsed = ParsedDocument("txt", NAME, "\n".join(texts))
    assert await store.save_processed(
        key, stored, ProcessedDocument(parsed, units, ()), reading(RECIPE, stored.version), None
    )
    await PostgresOptionsStore(pool).save_options(key, OPTIONS)


async def extract(
    pool: asyncpg.Pool, endpoint: ModelEndpoint, key: CollectionKey, run_id: UUID
) -> IndexDocumentResult:
    """As the worker does it, in a process of its own."""
    given = EndpointSettings(
        name="simulated",
        base_url=endpoint.base_url,
        places=PLACES,
        prompt_price=0,
        completion_price=1000,
    )
    settings = load_settings({"endpoints": (given,)})
    async with (
        counting_known(pool) as known,
        open_model_caller(pool, settings, lambda _: None, known.count) as caller,
    ):
        activities = ExtractionActivities(
            PostgresModelExtractionStore(pool), PostgresOptionsStore(pool), caller, recipe
        )
        return await ActivityEnvironment().run(
            activities.extract_document, IndexDocumentInput(key, RECIPE, document_id(NAME), run_id)
        )


async def open_run(pool: asyncpg.Pool, key: CollectionKey, budget_usd: float | None) -> UUID:
    run_id = uuid4()
    request = IndexRequest(key.name, key.tenant, budget_usd=budget_usd)
    opening = OpenRun(run_id, "index/x/y", request)
    await PostgresIndexingStore(pool).open_run(opening, Method.STANDARD, recipe(RECIPE))
    return run_id


async def test_a_document_waits_where_the_money_ends_and_goes_on_without_paying_twice(
    pool: asyncpg.Pool, endpoint: ModelEndpoint
) -> None:
    # Answers are stored for a tenant: another one's say what all costs.
    dear, key = CollectionKey("other", "letters"), CollectionKey("default", "letters")
    for each in (dear, key):
        await read(pool, each)
    accounts = PostgresModelAccounts(pool)
    unbound = await open_run(pool, dear, None)
    assert (await extract(pool, endpoint, dear, unbound)).state is DocumentState.DONE
    full = (await accounts.run_use(unbound)).total
    assert full.calls == 2 * UNITS

    first = await open_run(pool, key, full.usd / 2)
    with pytest.raises(OverBudget, match="is used up"):
        await extract(pool, endpoint, key, first)
    part = (await accounts.run_use(first)).total
    largest = await pool.fetchval("SELECT max(nano_usd) FROM model_calls")
    # Over it: what the calls in the air cost more than such calls on average.
    assert part.nano_usd <= full.nano_usd / 2 + PLACES * largest
    assert part.nano_usd >= full.nano_usd / 2 - largest
    document = await PostgresIndexingStore(pool).load_document(key, document_id(NAME))
    assert document is not None
    assert document.state is DocumentState.PENDING

    nothing = await open_run(pool, key, 0)
    with pytest.raises(OverBudget, match="the budget of the run is 0"):
        await extract(pool, endpoint, key, nothing)
    assert (await accounts.run_use(nothing)).total.calls == 0

    last = await open_run(pool, key, None)
    assert (await extract(pool, endpoint, key, last)).state is DocumentState.DONE
    rest = (await accounts.run_use(last)).total
    assert part.calls + rest.calls == full.calls
    assert part.nano_usd + rest.nano_usd == full.nano_usd
    paid = await accounts.document_use(key, document_id(NAME))
    assert (paid.calls, paid.nano_usd) == (full.calls, full.nano_usd)


async def test_what_was_paid_before_is_counted_and_needs_no_money(
    pool: asyncpg.Pool, endpoint: ModelEndpoint
) -> None:
    key = CollectionKey("default", "letters")
    await read(pool, key)
    await extract(pool, endpoint, key, await open_run(pool, key, None))
    # As if another collection of the tenant had these letters too.
    copy = CollectionKey("default", "copies")
    await read(pool, copy)
    run_id = await open_run(pool, copy, 0)
    assert (await extract(pool, endpoint, copy, run_id)).state is DocumentState.DONE
    assert (await PostgresModelAccounts(pool).run_use(run_id)).total == ModelUse(cached=2 * UNITS)
