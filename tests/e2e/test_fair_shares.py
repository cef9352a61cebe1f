"""A tenant with a few documents beside one with thousands, on the real stack."""

import asyncio
import time
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from graphmill.application.graphmill import Graphmill
from graphmill.index_request import IndexRequest
from graphmill.models import CollectionKey, Method
from graphmill.tenancy import acting_for
from tests.support.documents_in_memory import small_document
from tests.support.model_endpoint import Behaviour, running_endpoint
from tests.support.stack import Stack

SMALL = 30
# Of the large tenant, so many may be done before all of the small one's are.
MOST_MEANWHILE = 100


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stack]:
    """With two cpu workers, an endpoint of few places, and no levels: by shares alone."""
    environment = {"GRAPHMILL_CPU_WORKERS": "2", "GRAPHMILL_PRIORITY_SIZES": ""}
    stack = Stack(tmp_path_factory.mktemp("fair"), environment)
    async with running_endpoint(Behaviour(places=50, seconds=0.2)) as model:
        (stack.home.path / "graphmill.toml").write_text(
            f"""
            [[endpoints]]
            name = "simulated"
            base_url = "{model.base_url}"
            places = 8

            [models]
            extraction = "a-model"
            summaries = "a-model"
            reports = "a-model"
            """
        )
        await asyncio.to_thread(stack.start)
        yield stack
        await asyncio.to_thread(stack.kill_everything)


async def upload(app: Graphmill, key: CollectionKey, count: int) -> None:
    names = [f"{number:05}.txt" for number in range(count)]
    words = f"of {key.tenant}. Ada Lovelace wrote to Charles Babbage about engines."
    with acting_for(key.tenant):
        await app.documents.upload(key, [small_document(name, f"{name} {words}") for name in names])


async def start(app: Graphmill, key: CollectionKey, method: Method) -> None:
    with acting_for(key.tenant):
        await app.runs.start(IndexRequest(key.name, key.tenant, method))


async def done(app: Graphmill, key: CollectionKey) -> int:
    with acting_for(key.tenant):
        documents = (await app.collections.show(key)).documents
    assert not documents["failed"]
    return documents["done"]


@pytest.mark.timeout(900)
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("method", "documents", "at_once"),
    [
        (Method.FAST, 300, False),
        (Method.STANDARD, 200, False),
        pytest.param(Method.FAST, 3000, False, marks=pytest.mark.soak),
        pytest.param(Method.STANDARD, 3000, False, marks=pytest.mark.soak),
        pytest.param(Method.FAST, 3000, True, marks=pytest.mark.soak),
        pytest.param(Method.STANDARD, 3000, True, marks=pytest.mark.soak),
    ],
    ids=lambda given: {True: "at-once", False: "amid"}.get(given, str(given)),
)
async def test_few_documents_of_one_tenant_are_done_before_a_hundred_of_anothers_thousands(
    stack: Stack, method: Method, documents: int, at_once: bool
) -> None:
    """`at_once`: sent right behind them, before any of them is done."""
    large = CollectionKey(f"large-{method}-{documents}-{at_once}".lower(), "archive")
    small = CollectionKey(f"small-{method}-{documents}-{at_once}".lower(), "notes")
    async with stack.application() as app:
        await upload(app, large, documents)
        if at_once:
            await upload(app, small, SMALL)
        await start(app, large, method)
        if not at_once:
            while await done(app, large) < 20:
                await asyncio.sleep(0.05)
            await upload(app, small, SMALL)
        began, before = time.monotonic(), await done(app, large)
        await start(app, small, method)
        while await done(app, small) < SMALL:
            await asyncio.sleep(0.05)
        meanwhile = await done(app, large) - before
        print(
            f"method {method}, {documents} documents: {SMALL} of another tenant done after"
            f" {time.monotonic() - began:.1f} s, {meanwhile} of the large one's meanwhile"
        )
        assert meanwhile < MOST_MEANWHILE
        for key in (large, small):
            with acting_for(key.tenant):
                await app.runs.cancel_collection(key)
