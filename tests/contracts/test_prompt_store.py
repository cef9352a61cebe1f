"""A collection's own prompts in PostgreSQL: versions that never change, one of them in force."""

from uuid import uuid4

import asyncpg
import pytest

from graphmill.errors import InvalidRequest, NotFound
from graphmill.llm.budgets import RunMoney
from graphmill.models import CollectionKey
from graphmill.standard.collection_prompts import CollectionPrompts
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.collection_prompts import PostgresPromptStore
from graphmill.stores.postgres.model_accounts import PostgresModelAccounts
from tests.contracts.collections import KEY, index, processed

OTHER = CollectionKey("default", "other")
ELSEWHERE = CollectionKey("elsewhere", "sample")
ONE = CollectionPrompts.of({"glean_graph": "Noch einmal."}, {"entity_types": ["Schiff"]})
TWO = CollectionPrompts.of({"glean_graph": "Once more."})


@pytest.fixture
async def store(pool: asyncpg.Pool) -> PostgresPromptStore:
    for key in (KEY, OTHER, ELSEWHERE):
        await PostgresCatalog(pool).create_collection(key)
    return PostgresPromptStore(pool)


async def test_a_version_is_in_force_where_it_was_set_and_nowhere_else(
    store: PostgresPromptStore,
) -> None:
    for prompts in (ONE, TWO, ONE):
        await store.save_prompts(KEY, prompts)
    assert await store.load_prompts(KEY) == CollectionPrompts()  # stored is not in force
    for prompts in (ONE, TWO):
        await store.use_prompts(KEY, prompts.version)
        assert await store.load_prompts(KEY) == prompts
        assert await store.load_prompts(OTHER) == CollectionPrompts()
        assert await store.load_prompts(ELSEWHERE) == CollectionPrompts()
    await store.use_prompts(KEY, "")
    assert await store.load_prompts(KEY) == CollectionPrompts()
    assert await store.load_version(KEY, ONE.version) == ONE


async def test_what_is_not_stored_here_cannot_be_used(store: PostgresPromptStore) -> None:
    await store.save_prompts(OTHER, ONE)
    for key in (KEY, ELSEWHERE):
        with pytest.raises(NotFound, match="no prompts of version"):
            await store.use_prompts(key, ONE.version)
        with pytest.raises(NotFound, match="no prompts of version"):
            await store.load_version(key, ONE.version)
    nowhere = CollectionKey("default", "nowhere")
    for call in (
        store.load_prompts(nowhere),
        store.versions(nowhere, 9),
        store.save_prompts(nowhere, ONE),
        store.use_prompts(nowhere, ""),
        store.open_tuning(nowhere, uuid4(), None),
    ):
        with pytest.raises(NotFound, match="'nowhere' of tenant 'default' does not exist"):
            await call


async def test_versions_are_told_in_the_order_in_which_they_were_stored(
    store: PostgresPromptStore, pool: asyncpg.Pool
) -> None:
    assert await store.versions(KEY, 9) == ("", [])
    await store.save_prompts(OTHER, TWO)
    for prompts in (ONE, TWO, ONE):
        await store.save_prompts(KEY, prompts)
    await store.use_prompts(KEY, ONE.version)
    used, stored = await store.versions(KEY, 9)
    assert used == ONE.version
    assert [(one.version, one.prompts) for one in stored] == [
        (TWO.version, TWO),
        (ONE.version, ONE),
    ]
    assert stored[0].stored_at > stored[1].stored_at
    assert (await store.versions(KEY, 1))[1] == stored[:1]
    # What an earlier release stored, which had other placeholders.
    await pool.execute(
        "UPDATE collection_prompts SET content ="
        " jsonb_set(content, '{texts,glean_graph}', '\"{{gone}}\"')"
        " WHERE collection = $1 AND version = $2",
        KEY.name,
        TWO.version,
    )
    old, _ = (await store.versions(KEY, 9))[1]
    assert (old.version, old.prompts) == (TWO.version, None)


async def test_a_version_is_found_by_its_beginning_if_no_other_begins_so(
    store: PostgresPromptStore,
) -> None:
    for prompts in (ONE, TWO):
        await store.save_prompts(KEY, prompts)
        assert await store.find_version(KEY, prompts.version[:12]) == prompts.version
        assert await store.find_version(KEY, prompts.version) == prompts.version
    with pytest.raises(InvalidRequest, match="several versions"):
        await store.find_version(KEY, "")
    for key, begins in ((KEY, ONE.version[1:]), (KEY, "%"), (OTHER, ONE.version)):
        with pytest.raises(NotFound, match="prompts history"):
            await store.find_version(key, begins)


async def test_prompts_go_with_their_collection(
    store: PostgresPromptStore, pool: asyncpg.Pool
) -> None:
    await store.save_prompts(KEY, ONE)
    await store.use_prompts(KEY, ONE.version)
    await store.open_tuning(KEY, uuid4(), 1.5)
    await PostgresCatalog(pool).delete_collection(KEY)
    for table in ("collection_prompts", "prompt_tunings"):
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_a_tuning_s_budget_is_known_to_those_who_ask_models(
    store: PostgresPromptStore, pool: asyncpg.Pool
) -> None:
    bound, unbound = uuid4(), uuid4()
    for _ in range(2):
        await store.open_tuning(KEY, bound, 0.25)
    await store.open_tuning(KEY, unbound, None)
    accounts = PostgresModelAccounts(pool)
    assert await accounts.run_money(bound) == RunMoney(250_000_000)
    assert (await accounts.run_money(unbound)).budget is None


async def test_a_sample_is_the_same_each_time_and_of_live_text_of_its_collection(
    store: PostgresPromptStore, pool: asyncpg.Pool
) -> None:
    assert await store.sample(KEY, 5) == ()
    await index(pool, {"a.txt": processed("a.txt", [{("A", f"B{n}"): 1} for n in range(6)])})
    whole = await store.sample(KEY, 10)
    assert len(set(whole)) == 6
    assert await store.sample(KEY, 4) == whole[:4]
    assert await store.sample(ELSEWHERE, 10) == ()
    # Read anew with other text: the old text units are no longer live.
    await index(pool, {"a.txt": processed("a.txt", [{("C", "D"): 1}])})
    (only,) = await store.sample(KEY, 10)
    assert "C D." in only
