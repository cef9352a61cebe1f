"""The worker that opens a run decides its method where nobody asked for one."""

from dataclasses import replace
from typing import Any, cast
from uuid import uuid4

import pytest
from temporalio.testing import ActivityEnvironment

from activities.runs import RunActivities
from graphmill.errors import InvalidRequest
from graphmill.index_request import IndexRequest
from graphmill.messages import OpenRun, Recipe
from graphmill.models import Method
from graphmill.processing import recipe
from graphmill.settings import ChunkSettings
from graphmill.standard.collection_prompts import CollectionPrompts
from graphmill.standard.options import StandardOptions

OPTIONS = StandardOptions("a-model", "a-model", "a-model")


class Store:
    """IndexingStore, OptionsStore and PromptStore that only remember."""

    def __init__(self) -> None:
        self.own = CollectionPrompts()
        self.model_gaps = False
        self.opened: list[Method] = []
        self.refused: list[tuple[Method, str]] = []
        self.saved: list[StandardOptions] = []

    async def open_run(self, opening: OpenRun, method: Method, recipe: bytes) -> None:
        self.opened.append(method)

    async def refuse_run(self, opening: OpenRun, method: Method, reason: str) -> None:
        self.refused.append((method, reason))

    async def graph_to_embed(self, key: object, model: str) -> int | None:
        return 7 if model else None

    async def has_model_gaps(self, key: object) -> bool:
        return self.model_gaps

    async def save_options(self, key: object, options: StandardOptions) -> None:
        self.saved.append(options)

    async def load_prompts(self, key: object) -> CollectionPrompts:
        return self.own


async def open_run(
    store: Store,
    method: Method | None,
    options: StandardOptions | None,
    *,
    budget_usd: float | None = None,
    batch: bool = False,
    priced: bool = True,
) -> Recipe:
    kept = cast(Any, store)
    runs = RunActivities(kept, kept, kept, ChunkSettings(), options, recipe, priced=priced)
    request = IndexRequest("sample", method=method, budget_usd=budget_usd, batch=batch)
    opening = OpenRun(uuid4(), "index/default/sample", request)
    return await ActivityEnvironment().run(runs.open_run, opening)


@pytest.mark.parametrize(
    ("asked", "options", "decided"),
    [
        (None, None, Method.FAST),
        (None, OPTIONS, Method.STANDARD),
        (Method.FAST, OPTIONS, Method.FAST),
        (Method.STANDARD, OPTIONS, Method.STANDARD),
    ],
)
async def test_the_method_is_what_was_asked_for_else_standard_where_there_is_a_model(
    asked: Method | None, options: StandardOptions | None, decided: Method
) -> None:
    store = Store()
    made = await open_run(store, asked, options)
    assert made.method is decided
    assert store.opened == [decided]
    standard = decided is Method.STANDARD
    assert store.saved == ([OPTIONS] if standard else [])
    assert bool(made.options) is bool(made.extraction) is standard


async def test_a_run_reads_claims_where_they_are_asked_for() -> None:
    asking = replace(OPTIONS, claim_description="any")
    with_claims = await open_run(Store(), None, asking)
    without = await open_run(Store(), None, OPTIONS)
    assert (with_claims.claims, without.claims) == (asking.claims_digest, "")
    assert with_claims.extraction == without.extraction


async def test_standard_without_a_model_is_refused_and_only_that_is_written() -> None:
    store = Store()
    with pytest.raises(InvalidRequest, match="no endpoint is set") as refusal:
        await open_run(store, Method.STANDARD, None)
    assert not store.opened
    assert store.refused == [(Method.STANDARD, str(refusal.value))]


async def test_what_a_collection_has_of_its_own_is_in_the_options_of_its_run() -> None:
    store = Store()
    store.own = CollectionPrompts.of({"glean_graph": "Once more."}, {"entity_types": ["ship"]})
    made = await open_run(store, None, OPTIONS)
    (saved,) = store.saved
    assert saved == OPTIONS.for_collection(store.own) != OPTIONS
    assert (made.options, made.extraction) == (saved.digest, saved.extraction_digest)
    assert made.extraction != OPTIONS.extraction_digest


async def test_a_budget_is_refused_where_nobody_knows_what_a_call_costs() -> None:
    store = Store()
    with pytest.raises(InvalidRequest, match="prompt_price"):
        await open_run(store, None, OPTIONS, budget_usd=5, priced=False)
    assert not store.opened
    # No call at all is a budget that can be kept; and without a model nothing costs anything.
    await open_run(store, None, OPTIONS, budget_usd=0, priced=False)
    await open_run(store, None, None, budget_usd=5, priced=False)
    assert store.opened == [Method.STANDARD, Method.FAST]


@pytest.mark.parametrize("method", Method)
async def test_the_model_that_embeds_is_decided_with_the_run_and_may_cost_money(
    method: Method,
) -> None:
    store, request = Store(), IndexRequest("sample", method=method, budget_usd=5)
    opening = OpenRun(uuid4(), "index/default/sample", request)
    kept = cast(Any, store)

    async def open_by(model: str, *, priced: bool) -> Recipe:
        given = (kept, kept, kept, ChunkSettings(), OPTIONS, recipe, model)
        runs = RunActivities(*given, embeddings_priced=priced)
        return await ActivityEnvironment().run(runs.open_run, opening)

    made = await open_by("vectors", priced=True)
    assert (made.embeddings, made.to_embed) == ("vectors", 7)
    local = await open_by("", priced=True)
    assert (local.embeddings, local.to_embed) == ("", None)
    # No document is read anew for it.
    assert recipe(made) == recipe(local)
    with pytest.raises(InvalidRequest, match="OPENAI_EMBEDDING_PRICE"):
        await open_by("vectors", priced=False)


@pytest.mark.parametrize("method", Method)
async def test_a_run_makes_a_graph_anew_that_lacks_what_no_model_gave_and_reads_no_document_for_it(
    method: Method,
) -> None:
    store = Store()
    whole = await open_run(store, method, OPTIONS)
    store.model_gaps = True
    lacking = await open_run(store, method, OPTIONS)
    assert (whole.model_gaps, lacking.model_gaps) == (False, True)
    assert recipe(lacking) == recipe(whole)


async def test_batches_are_refused_where_the_method_turns_out_to_be_fast() -> None:
    store = Store()
    with pytest.raises(InvalidRequest, match="method fast asks no model"):
        await open_run(store, None, None, batch=True)
    assert not store.opened
    await open_run(store, None, OPTIONS, batch=True)
    assert store.opened == [Method.STANDARD]
