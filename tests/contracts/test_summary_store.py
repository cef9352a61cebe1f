"""SummaryStore: what waits is met once, part by part, and waits no longer once it is saved."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg
import pytest

from graphmill.ids import content_id, entity_id, relationship_id
from graphmill.messages import GraphRef, GraphShard
from graphmill.ports import Descriptions
from graphmill.settings import PruneSettings
from graphmill.standard.extract_graph import Statement
from graphmill.stores.postgres.graph import PostgresGraphStore
from graphmill.stores.postgres.summaries import PostgresSummaryStore
from tests.contracts.collections import KEY
from tests.contracts.model_collections import extraction, index_found

TITLES = tuple(f"T{number:02}" for number in range(20))
LONG = ("a" * 1500, "b" * 1500)


async def folded(pool: asyncpg.Pool) -> int:
    """A graph of 20 entities and two relationships that wait, and one of each that does not."""
    pairs = {("T00", "T01"): LONG, ("T00", "T02"): LONG, ("T00", "T03"): ("short", "shorter")}
    await index_found(
        pool,
        {
            f"{unit}.txt": [
                extraction(
                    {title: ("", [f"{title} {unit}"]) for title in TITLES}
                    | {"KNOWN": ("", ["the same"])},
                    {pair: [Statement("", said[unit], 1.0)] for pair, said in pairs.items()},
                )
            ]
            for unit in range(2)
        },
    )
    graphs = PostgresGraphStore(pool, PruneSettings())
    graph_id = await graphs.open_graph(KEY, "1", afresh=False)
    assert graph_id is not None
    merged = await graphs.fold_model_extractions(KEY, graph_id)
    assert merged.to_summarize == 22
    return graph_id


async def waiting(
    store: PostgresSummaryStore, graph_id: int, shards: int, limit: int
) -> list[Sequence[Descriptions]]:
    """Part by part."""
    parts: list[Sequence[Descriptions]] = []
    for shard in range(shards):
        part = GraphShard(GraphRef(KEY, graph_id), shard, shards)
        found: list[Descriptions] = []
        while page := await store.unsummarized(part, found[-1].id if found else UUID(int=0), limit):
            assert len(page) <= limit
            found += page
        parts.append(found)
    return parts


@pytest.mark.parametrize("shards", [1, 3, 64])
async def test_each_waits_in_one_part_by_its_id(shards: int, pool: asyncpg.Pool) -> None:
    graph_id = await folded(pool)
    parts = await waiting(PostgresSummaryStore(pool), graph_id, shards, 4)
    expected = [
        Descriptions(entity_id(title), (title,), (f"{title} 0", f"{title} 1")) for title in TITLES
    ]
    expected += [
        Descriptions(relationship_id("T00", end), ("T00", end), LONG) for end in ("T01", "T02")
    ]
    # Ranges of ids, so that all parts together ascend.
    assert [one for part in parts for one in part] == sorted(expected, key=lambda one: one.id)
    assert len([part for part in parts if part]) >= min(shards, 3)


async def test_what_is_saved_waits_no_longer_and_is_not_saved_again(pool: asyncpg.Pool) -> None:
    graph_id = await folded(pool)
    store = PostgresSummaryStore(pool)
    ids = [entity_id("T00"), relationship_id("T00", "T01"), entity_id("KNOWN")]
    await store.save_summaries(graph_id, dict.fromkeys(ids, "One text."), {ids[0]: "refused"})
    await store.save_summaries(
        graph_id, dict.fromkeys(ids, "Another, which comes too late."), {ids[1]: "too late"}
    )
    row = await pool.fetchrow("SELECT * FROM entities WHERE title = 'T00'")
    assert row is not None
    assert (row["description"], row["descriptions"]) == ("One text.", [])
    assert row["embedding_id"] == content_id("entity_description", "T00: One text.")
    row = await pool.fetchrow("SELECT * FROM relationships WHERE target = 'T01'")
    assert row is not None
    assert (row["description"], row["descriptions"]) == ("One text.", [])
    assert await pool.fetchval("SELECT description FROM entities WHERE title = 'KNOWN'") == (
        "the same"
    )
    (left,) = await waiting(store, graph_id, 1, 100)
    assert len(left) == 20
    assert not {one.id for one in left} & set(ids)
    # Of what stays as it is, nothing new is told.
    gaps = await pool.fetch("SELECT kind, id, reason FROM model_gaps")
    assert [tuple(row) for row in gaps] == [("summary", ids[0], "refused")]
    # Nor of a graph that is folded again.
    await PostgresGraphStore(pool, PruneSettings()).fold_model_extractions(KEY, graph_id)
    assert await pool.fetchval("SELECT count(*) FROM model_gaps") == 0
