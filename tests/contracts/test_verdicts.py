"""What people say of titles is kept, checked, and makes the next graph another."""

from collections.abc import Mapping
from uuid import uuid4

import asyncpg
import pytest

from graphmill.application.entities import Entities
from graphmill.errors import InvalidRequest, NotFound
from graphmill.models import CollectionKey
from graphmill.settings import PruneSettings
from graphmill.standard.decisions import Decision, Step
from graphmill.standard.entity_groups import Groups, ResolvedTitle
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.graph import PostgresGraphStore
from graphmill.stores.postgres.resolutions import PostgresResolutionStore
from graphmill.stores.postgres.status import PostgresRunStatus
from graphmill.stores.postgres.verdicts import PostgresVerdicts
from tests.contracts.collections import KEY
from tests.contracts.model_collections import Found, extraction, index_found

DOCUMENTS: Mapping[str, Found] = {
    "a.txt": [
        extraction({title: ("person", ["A person."]) for title in ("ADA", "BO", "CID", "BOB")})
    ]
}
FOUND = (Decision("BO", "BOB", True, Step.MODEL, "alike"),)


@pytest.fixture
def store(pool: asyncpg.Pool) -> PostgresGraphStore:
    return PostgresGraphStore(pool, PruneSettings())


@pytest.fixture
async def entities(pool: asyncpg.Pool, store: PostgresGraphStore) -> Entities:
    """Over a published graph of ADA, BO (also BOB) and CID."""
    await PostgresCatalog(pool).create_collection(KEY)
    await index_found(pool, DOCUMENTS)
    await publish(pool, store)
    await pool.execute(
        "INSERT INTO runs (id, tenant, collection, workflow_id, method, state, phase)"
        " VALUES ($1, $2, $3, 'w', 'standard', 'completed', 'done')",
        *(uuid4(), KEY.tenant, KEY.name),
    )
    return Entities(PostgresVerdicts(pool), PostgresRunStatus(pool))


async def publish(pool: asyncpg.Pool, store: PostgresGraphStore) -> None:
    graph_id = await store.open_graph(KEY, "v", afresh=False)
    assert graph_id is not None
    groups = Groups((ResolvedTitle("BOB", "BO", Step.MODEL, "alike"),), FOUND)
    await PostgresResolutionStore(pool).save_groups(graph_id, groups)
    await store.fold_model_extractions(KEY, graph_id)
    await store.publish_graph(KEY, graph_id, "")


async def verdicts(pool: asyncpg.Pool) -> tuple[Decision, ...]:
    return await PostgresResolutionStore(pool).load_verdicts(KEY)


async def test_a_verdict_is_kept_by_the_titles_as_they_are_stored(
    entities: Entities, pool: asyncpg.Pool
) -> None:
    said = await entities.decide(KEY, " cid\n", "Ada", same=True, reason="the same\x1b[1m hand")
    assert said == Decision("ADA", "CID", True, Step.PERSON, "the same [1m hand")
    assert await verdicts(pool) == (said,)
    said = await entities.decide(KEY, "ADA", "CID", same=False)
    assert await verdicts(pool) == (said,)
    # Also of a title that is now under another.
    await entities.decide(KEY, "BOB", "BO", same=False)
    assert len(await verdicts(pool)) == 2
    assert await entities.undecide(KEY, "cid", "ada") == ("ADA", "CID")
    assert [one.title for one in await verdicts(pool)] == ["BO"]
    with pytest.raises(NotFound, match="nobody has decided"):
        await entities.undecide(KEY, "cid", "ada")


async def test_every_decision_of_the_published_graph_is_shown_page_after_page(
    entities: Entities,
) -> None:
    assert await entities.decisions(KEY) == FOUND
    assert await entities.decisions(KEY, ("BO", "BOB")) == ()
    assert await entities.decisions(KEY, step=Step.PERSON) == ()
    assert [one async for one in entities.all_decisions(KEY)] == list(FOUND)
    with pytest.raises(NotFound):
        await entities.decisions(CollectionKey("default", "none"))


@pytest.mark.parametrize(
    ("title", "other", "error", "words"),
    [
        ("ada", "ADA", InvalidRequest, "both titles are 'ADA'"),
        ("ada", " ", InvalidRequest, "a title is empty"),
        ("ada", "EVE", NotFound, "has no entity 'EVE'"),
    ],
)
async def test_a_verdict_that_means_nothing_is_refused(
    entities: Entities,
    pool: asyncpg.Pool,
    title: str,
    other: str,
    error: type[Exception],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        await entities.decide(KEY, title, other, same=True)
    assert await verdicts(pool) == ()


async def test_method_fast_has_nothing_to_decide(entities: Entities, pool: asyncpg.Pool) -> None:
    await pool.execute("UPDATE runs SET method = 'fast'")
    with pytest.raises(InvalidRequest, match="method fast"):
        await entities.decide(KEY, "ADA", "CID", same=True)


async def test_a_verdict_makes_the_next_graph_another_until_it_is_taken_back(
    entities: Entities, pool: asyncpg.Pool, store: PostgresGraphStore
) -> None:
    assert await store.open_graph(KEY, "v", afresh=False) is None
    await entities.decide(KEY, "ADA", "CID", same=True)
    assert await store.open_graph(KEY, "v", afresh=False) is not None
    await entities.undecide(KEY, "ADA", "CID")
    assert await store.open_graph(KEY, "v", afresh=False) is None


async def test_a_verdict_that_comes_while_a_graph_is_made_is_not_lost(
    entities: Entities, pool: asyncpg.Pool, store: PostgresGraphStore
) -> None:
    graph_id = await store.open_graph(KEY, "v", afresh=True)
    assert graph_id is not None
    await entities.decide(KEY, "ADA", "CID", same=True)
    await store.fold_model_extractions(KEY, graph_id)
    await store.publish_graph(KEY, graph_id, "")
    assert await store.open_graph(KEY, "v", afresh=False) is not None
