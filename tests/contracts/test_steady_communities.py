"""What clustering is told of the graph that a collection shows, and what it leaves of itself."""

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmill.clustering import CLUSTERING_VERSION, cluster_graph
from graphmill.ids import entity_id
from graphmill.settings import PruneSettings
from graphmill.stores.postgres.database import close_pool, open_pool
from graphmill.stores.postgres.graph import PostgresGraphStore
from tests.contracts.collections import KEY, index, processed
from tests.support.examples import on_a_server

pytestmark = pytest.mark.asyncio

EVERYTHING = PruneSettings(min_node_freq=1, min_node_degree=0, min_edge_weight_pct=0)
TITLES = tuple("ABCDEFGH")

Units = list[dict[tuple[str, ...], int]]
texts = st.lists(
    st.dictionaries(
        st.lists(st.sampled_from(TITLES), min_size=2, max_size=3, unique=True).map(tuple),
        st.integers(1, 3),
        min_size=1,
        max_size=4,
    ),
    min_size=1,
    max_size=3,
)


async def build(store: PostgresGraphStore) -> int:
    merged = await store.merge_graph(KEY, "test", afresh=True)
    assert merged.graph_id is not None
    return merged.graph_id


async def cluster(store: PostgresGraphStore, graph_id: int) -> None:
    loaded = await store.load_for_clustering(graph_id)
    last = await store.load_last_clustering(graph_id)
    clustering = cluster_graph(loaded.entities, loaded.relationships, loaded.text_unit_dates, last)
    await store.save_communities(graph_id, clustering)


async def weights(pool: asyncpg.Pool, graph_id: int) -> dict[tuple[str, str], float]:
    """By ends, in medians of the graph."""
    rows = await pool.fetch(
        "SELECT source, target, weight FROM relationships WHERE graph_id = $1 ORDER BY weight",
        graph_id,
    )
    median = rows[(len(rows) - 1) // 2]["weight"] if rows else 1.0
    return {(row["source"], row["target"]): row["weight"] / median for row in rows}


@on_a_server(test=20, soak=100)
@given(before=texts, after=texts, beside=texts)
async def test_it_knows_the_last_communities_and_who_is_touched(
    database_url: str, before: Units, after: Units, beside: Units
) -> None:
    pool = await open_pool(database_url, 2)
    try:
        await pool.execute("DELETE FROM collections")
        store = PostgresGraphStore(pool, EVERYTHING)
        first = await _published(pool, store, before, beside)
        published = await pool.fetch(
            "SELECT community, level, parent, entity_ids FROM communities WHERE graph_id = $1"
            " ORDER BY community",
            first,
        )
        await index(pool, {"a.txt": processed("a.txt", after)})
        second = await build(store)
        last = await store.load_last_clustering(second)
        assert last is not None
        assert [
            (one.community, one.level, one.parent, list(one.entity_ids)) for one in last.communities
        ] == list(map(tuple, published))
        then, now = await weights(pool, first), await weights(pool, second)
        touched = {
            entity_id(title)
            for pair in then.keys() | now.keys()
            if pair not in then
            or pair not in now
            or abs(now[pair] - then[pair]) > 0.01 * then[pair]
            for title in pair
        }
        here = {
            row["id"]
            for row in await pool.fetch("SELECT id FROM entities WHERE graph_id = $1", second)
        }
        assert last.touched == touched & here
    finally:
        await close_pool(pool)


async def _published(
    pool: asyncpg.Pool, store: PostgresGraphStore, one: Units, other: Units
) -> int:
    await index(pool, {"a.txt": processed("a.txt", one), "b.txt": processed("b.txt", other)})
    graph_id = await build(store)
    await cluster(store, graph_id)
    await store.publish_graph(KEY, graph_id, "")
    return graph_id


async def test_before_the_first_graph_is_published_there_is_nothing_to_begin_with(
    pool: asyncpg.Pool,
) -> None:
    await index(pool, {"a.txt": processed("a.txt", [{("A", "B"): 1}])})
    store = PostgresGraphStore(pool, EVERYTHING)
    assert await store.load_last_clustering(await build(store)) is None


async def test_communities_of_another_release_are_not_begun_with(pool: asyncpg.Pool) -> None:
    await index(pool, {"a.txt": processed("a.txt", [{("A", "B"): 1}])})
    store = PostgresGraphStore(pool, EVERYTHING)
    first = await build(store)
    await cluster(store, first)
    await store.publish_graph(KEY, first, "")
    second = await build(store)
    last = await store.load_last_clustering(second)
    assert last is not None
    assert [len(one.entity_ids) for one in last.communities] == [2]
    assert await pool.fetchval("SELECT clustering FROM graphs WHERE id = $1", first) == (
        CLUSTERING_VERSION
    )
    await pool.execute("UPDATE graphs SET clustering = 'of before' WHERE id = $1", first)
    assert await store.load_last_clustering(second) is None
