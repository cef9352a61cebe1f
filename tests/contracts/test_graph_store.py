"""The fold in SQL against the same fold in plain Python, and what publishing promises."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log2
from typing import Any, TypeVar, TypeVarTuple
from uuid import UUID

import asyncpg
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.testing import ActivityEnvironment

from activities import communities
from graphmill.ids import content_id, document_id, entity_id, relationship_id
from graphmill.messages import VECTOR_INDEXES, GraphRef
from graphmill.models import CollectionKey, Community, ProcessedDocument
from graphmill.reports import ReportContext, write_report
from graphmill.settings import PruneSettings
from graphmill.stores.postgres import unreferenced
from graphmill.stores.postgres.database import open_pool
from graphmill.stores.postgres.graph import PostgresGraphStore
from tests.contracts.collections import KEY, index, processed, upload
from tests.support.examples import on_a_server
from tests.support.hierarchies import clustered

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

pytestmark = pytest.mark.asyncio

TITLES = ("ADA", "BO", "CID", "DEE", "É", "ZÜRICH", "日本")
groups = st.dictionaries(
    st.lists(st.sampled_from(TITLES), min_size=1, max_size=4, unique=True).map(tuple),
    st.integers(1, 3),
    min_size=1,
    max_size=4,
)
collections = st.dictionaries(
    st.sampled_from(["a.txt", "b/c.txt", "B.txt", "é.txt"]),
    st.lists(groups, min_size=1, max_size=3),
    max_size=4,
)


@dataclass
class Reference:
    """The fold of the fast method, written as plainly as can be."""

    documents: dict[str, ProcessedDocument]
    prune: PruneSettings

    def __post_init__(self) -> None:
        units = [
            (unit, found)
            for name in sorted(self.documents)
            for unit, found in zip(
                self.documents[name].text_units, self.documents[name].extractions, strict=True
            )
        ]
        mentions: dict[str, list[UUID]] = {}
        types: dict[str, Counter[str]] = {}
        for unit, found in units:
            for title, type in zip(found.titles, found.types, strict=True):
                mentions.setdefault(title, []).append(unit.id)
                types.setdefault(title, Counter()).update([type] if type else [])
        frequent = {t: ids for t, ids in mentions.items() if len(ids) >= self.prune.min_node_freq}
        times: Counter[tuple[str, str]] = Counter()
        together: dict[tuple[str, str], list[UUID]] = {}
        sentences: dict[str | tuple[str, str], str] = {}
        for unit, found in units:
            spans = [
                unit.text[start:end]
                for start, end in zip(found.sentence_starts, found.sentence_ends, strict=True)
            ]
            for title, number in zip(found.titles, found.entity_sentences, strict=True):
                sentences.setdefault(title, spans[number])
            for source, target, weight, number in zip(
                found.sources,
                found.targets,
                found.weights,
                found.relationship_sentences,
                strict=True,
            ):
                pair = (found.titles[source], found.titles[target])
                if pair[0] in frequent and pair[1] in frequent:
                    times[pair] += weight
                    together.setdefault(pair, []).append(unit.id)
                    sentences.setdefault(pair, spans[number])
        all_times = sum(times.values())
        all_frequency = sum(len(ids) for ids in frequent.values())
        weights: dict[tuple[str, str], float] = {}
        for (source, target), count in times.items():
            share = count / all_times
            chance = len(frequent[source]) / all_frequency * (len(frequent[target]) / all_frequency)
            weight = share * log2(share / chance)
            if weight > 1e-12:
                weights[source, target] = weight
        threshold = (
            np.percentile(list(weights.values()), self.prune.min_edge_weight_pct) if weights else 0
        )
        strong = {pair: w for pair, w in weights.items() if w >= threshold * (1 - 1e-9)}
        degree = Counter(title for pair in strong for title in pair)
        kept = sorted(t for t in frequent if degree[t] >= self.prune.min_node_degree)
        bonds = sorted(pair for pair in strong if pair[0] in kept and pair[1] in kept)
        degree = Counter(title for pair in bonds for title in pair)
        self.entities = [
            (
                entity_id(title),
                number,
                title,
                min(types[title], key=lambda t: (-types[title][t], t), default=""),
                sentences[title],
                frequent[title],
                len(frequent[title]),
                degree[title],
                content_id("entity_description", f"{title}: {sentences[title]}"),
            )
            for number, title in enumerate(kept)
        ]
        self.relationships = [
            (
                relationship_id(*pair),
                number,
                *pair,
                sentences[pair],
                pytest.approx(strong[pair]),
                degree[pair[0]] + degree[pair[1]],
                together[pair],
            )
            for number, pair in enumerate(bonds)
        ]
        self.text_units = [
            (
                unit.id,
                unit.document_id,
                number,
                [entity_id(title) for title in found.titles if title in kept],
                [relationship_id(*pair) for pair in bonds if unit.id in together[pair]],
            )
            for number, (unit, found) in enumerate(units)
        ]


async def rows(pool: asyncpg.Pool, table: str, columns: str, graph_id: int) -> list[tuple[object]]:
    fetched = await pool.fetch(
        f"SELECT {columns} FROM {table} WHERE graph_id = $1 ORDER BY human_readable_id", graph_id
    )
    return [tuple(row) for row in fetched]


async def check_fold(
    pool: asyncpg.Pool, documents: dict[str, ProcessedDocument], prune: PruneSettings
) -> None:
    merged = await PostgresGraphStore(pool, prune).merge_graph(KEY, "1", afresh=False)
    assert merged.graph_id is not None
    reference = Reference(documents, prune)
    assert (
        await rows(
            pool,
            "entities",
            "id, human_readable_id, title, type, description, text_unit_ids, frequency, degree,"
            " embedding_id",
            merged.graph_id,
        )
        == reference.entities
    )
    assert (
        await rows(
            pool,
            "relationships",
            "id, human_readable_id, source, target, description, weight, combined_degree,"
            " text_unit_ids",
            merged.graph_id,
        )
        == reference.relationships
    )
    assert (
        await rows(
            pool,
            "graph_text_units",
            "text_unit_id, document_id, human_readable_id, entity_ids, relationship_ids",
            merged.graph_id,
        )
        == reference.text_units
    )
    assert (merged.entities, merged.relationships, merged.text_units) == (
        len(reference.entities),
        len(reference.relationships),
        len(reference.text_units),
    )


@given(
    contents=collections,
    types=st.dictionaries(st.sampled_from(TITLES), st.sampled_from(["geo", "person"])),
    prune=st.builds(
        PruneSettings,
        min_node_freq=st.integers(1, 3),
        min_node_degree=st.integers(0, 2),
        min_edge_weight_pct=st.sampled_from([0, 40, 75]),
    ),
)
@on_a_server(test=20, soak=100)
async def test_the_graph_is_the_fold_over_the_extractions(
    database_url: str,
    contents: dict[str, list[dict[tuple[str, ...], int]]],
    types: dict[str, str],
    prune: PruneSettings,
) -> None:
    pool = await open_pool(database_url, 2)
    try:
        await pool.execute("DELETE FROM collections")
        documents = {name: processed(name, units, types) for name, units in contents.items()}
        await index(pool, documents)
        if not documents:
            await pool.execute(
                "INSERT INTO collections (tenant, name) VALUES ('default', 'sample')"
                " ON CONFLICT DO NOTHING"
            )
        await check_fold(pool, documents, prune)
    finally:
        await pool.close()


PRUNE = PruneSettings()
FIRST = {
    "a.txt": processed("a.txt", [{("ADA", "BO"): 2}, {("ADA", "BO"): 1, ("CID",): 1}]),
    "b.txt": processed("b.txt", [{("CID", "DEE"): 1}, {("CID", "DEE"): 3}]),
}


async def publish(pool: asyncpg.Pool) -> int:
    store = PostgresGraphStore(pool, PRUNE)
    merged = await store.merge_graph(KEY, "1", afresh=False)
    assert merged.graph_id is not None
    await store.publish_graph(KEY, merged.graph_id, "")
    return merged.graph_id


async def test_nothing_is_folded_again_while_nothing_has_changed(pool: asyncpg.Pool) -> None:
    await index(pool, FIRST)
    await publish(pool)
    store = PostgresGraphStore(pool, PRUNE)
    assert (await store.merge_graph(KEY, "1", afresh=False)).graph_id is None
    assert (await store.merge_graph(KEY, "1", afresh=True)).graph_id is not None
    assert (await store.merge_graph(KEY, "2", afresh=False)).graph_id is not None


async def test_publishing_removes_the_graph_before_and_what_only_it_knew(
    pool: asyncpg.Pool,
) -> None:
    await index(pool, FIRST)
    first = await publish(pool)
    await index(pool, {"a.txt": processed("a.txt", [{("ADA",): 1}])})
    # Until then the published graph and all that it points to stand.
    assert await pool.fetchval("SELECT count(*) FROM text_units") == 5
    second = await publish(pool)
    assert await pool.fetchval("SELECT array_agg(id) FROM graphs") == [second]
    assert second != first
    assert await pool.fetchval("SELECT count(*) FROM text_units") == 3
    assert await pool.fetchval("SELECT graph_id FROM collections") == second


async def test_vectors_without_anything_they_stand_for_go_with_the_next_graph(
    pool: asyncpg.Pool,
) -> None:
    await index(pool, FIRST)
    await publish(pool)
    for vector_index in VECTOR_INDEXES:
        await pool.execute(
            "INSERT INTO vectors VALUES ('default', 'sample', $1, 'm', $2, '[1,2]')",
            vector_index,
            UUID(int=1),
        )
    await pool.execute(
        "INSERT INTO vectors SELECT 'default', 'sample', 'text_unit_text', 'm', id, '[1,2]'"
        " FROM text_units LIMIT 1"
    )
    await index(pool, {"c.txt": processed("c.txt", [{("ADA",): 1}])})
    await publish(pool)
    assert await pool.fetchval("SELECT count(*) FROM vectors") == 1


async def test_however_many_vectors_go_they_go_page_by_page(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await index(pool, FIRST)
    await publish(pool)
    await pool.execute(
        "INSERT INTO vectors SELECT 'default', 'sample', vector_index, model,"
        " content_id(n::text), '[1,2]'"
        " FROM unnest($1::text[]) AS vector_index, unnest('{m,n}'::text[]) AS model,"
        " generate_series(1, 5) n",
        VECTOR_INDEXES,
    )
    deleted: list[int] = []
    execute = asyncpg.Connection.execute

    async def watched(self: asyncpg.Connection, query: str, *args: Any, **given: Any) -> str:
        if "DELETE FROM vectors" in query:
            deleted.append(len(args[-1]))
        return await execute(self, query, *args, **given)

    monkeypatch.setattr(asyncpg.Connection, "execute", watched)
    monkeypatch.setattr(unreferenced, "_PAGE", 4)
    await index(pool, {"c.txt": processed("c.txt", [{("ADA",): 1}])})
    await publish(pool)
    assert (sum(deleted), max(deleted) <= 4) == (30, True)
    assert await pool.fetchval("SELECT count(*) FROM vectors") == 0


async def test_a_text_unit_that_lives_again_when_it_is_about_to_go_stays(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await index(pool, FIRST)
    await publish(pool)
    await index(pool, {"a.txt": processed("a.txt", [{("ADA",): 1}])})
    fetch = asyncpg.Connection.fetch

    async def then_read_again(
        self: asyncpg.Connection, query: str, *args: Any, **given: Any
    ) -> list[asyncpg.Record]:
        found = await fetch(self, query, *args, **given)
        if "AND NOT live" in query and found:
            await self.execute("UPDATE text_units SET live = true WHERE id = $1", found[0]["id"])
        return found

    monkeypatch.setattr(asyncpg.Connection, "fetch", then_read_again)
    await publish(pool)
    assert await pool.fetchval("SELECT count(*) FROM text_units") == 4


async def test_a_fold_waits_for_no_vacuum_of_the_tables_that_all_collections_share(
    pool: asyncpg.Pool, database_url: str
) -> None:
    """PostgreSQL would end the vacuum, which is begun again and ended by the next fold."""
    await index(pool, FIRST)
    tables = "documents, text_units, graph_text_units, entities, relationships, covariates"
    await publish(pool)
    vacuum = await asyncpg.connect(database_url)
    async with vacuum.transaction():
        await vacuum.execute(f"LOCK TABLE {tables} IN SHARE UPDATE EXCLUSIVE MODE")
        store = PostgresGraphStore(pool, PRUNE)
        async with asyncio.timeout(20):
            assert (await store.merge_graph(KEY, "1", afresh=True)).graph_id is not None
    await vacuum.close()


async def test_tables_that_nothing_is_known_of_are_waited_for(
    pool: asyncpg.Pool, database_url: str
) -> None:
    await index(pool, FIRST)
    vacuum = await asyncpg.connect(database_url)
    transaction = vacuum.transaction()
    await transaction.start()
    await vacuum.execute("LOCK TABLE documents IN SHARE UPDATE EXCLUSIVE MODE")
    folding = asyncio.create_task(publish(pool))
    while not await vacuum.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
        await asyncio.sleep(0.01)
        assert not folding.done()
    await transaction.commit()
    await folding
    assert (
        await vacuum.fetchval(
            "SELECT count(last_analyze) FROM pg_stat_user_tables"
            " WHERE relname IN ('documents', 'entities', 'covariates')"
        )
        == 3
    )
    await vacuum.close()


async def test_a_graph_left_by_a_crash_is_removed_by_the_next_merge(pool: asyncpg.Pool) -> None:
    await index(pool, FIRST)
    store = PostgresGraphStore(pool, PRUNE)
    await store.merge_graph(KEY, "1", afresh=False)
    merged = await store.merge_graph(KEY, "1", afresh=False)
    assert await pool.fetchval("SELECT array_agg(id) FROM graphs") == [merged.graph_id]


async def test_a_document_deleted_while_a_graph_is_built_stays_whole_in_that_graph(
    pool: asyncpg.Pool,
) -> None:
    await index(pool, FIRST)
    store = PostgresGraphStore(pool, PRUNE)
    merged = await store.merge_graph(KEY, "1", afresh=False)
    assert merged.graph_id is not None
    await pool.execute("DELETE FROM documents WHERE name = 'a.txt'")
    await pool.execute(
        "UPDATE text_units SET live = false WHERE document_id = $1", document_id("a.txt")
    )
    await store.publish_graph(KEY, merged.graph_id, "")
    missing = await pool.fetchval(
        "SELECT count(*) FROM graph_text_units g WHERE NOT EXISTS"
        " (SELECT FROM text_units t WHERE t.id = g.text_unit_id)"
    )
    assert missing == 0
    again = await store.merge_graph(KEY, "1", afresh=False)
    assert again.graph_id is not None
    await store.publish_graph(KEY, again.graph_id, "")
    assert await pool.fetchval("SELECT count(*) FROM text_units") == 2


def community(number: int, entity_ids: Sequence[UUID]) -> Community:
    return Community(
        id=UUID(int=number),
        community=number,
        level=0,
        parent=-1,
        children=(),
        title=f"Community {number}",
        entity_ids=tuple(entity_ids),
        relationship_ids=(),
        text_unit_ids=(),
        period="",
        size=len(entity_ids),
    )


@pytest.mark.parametrize(
    ("most", "most_entities", "batches"),
    [
        (9, 9, [[0, 1, 2, 3]]),
        (2, 9, [[0, 1], [2, 3]]),
        (9, 4, [[0, 1], [2, 3]]),
        (9, 3, [[0], [1, 2], [3]]),
        (9, 1, [[0], [1], [2], [3]]),  # one that has more than may be comes alone
    ],
)
async def test_reports_are_asked_for_in_batches_bounded_by_communities_and_by_entities(
    most: int, most_entities: int, batches: list[list[int]], pool: asyncpg.Pool
) -> None:
    await index(pool, FIRST)
    store = PostgresGraphStore(pool, PruneSettings(min_node_degree=0, min_edge_weight_pct=0))
    merged = await store.merge_graph(KEY, "1", afresh=False)
    assert merged.graph_id is not None
    ids = await pool.fetchval("SELECT array_agg(id ORDER BY id) FROM entities")
    assert len(ids) == 4
    sizes = (3, 1, 2, 2)
    await store.save_communities(
        merged.graph_id, clustered(community(n, ids[:size]) for n, size in enumerate(sizes))
    )
    seen: list[list[int]] = []
    after = -1
    while contexts := await store.unreported(merged.graph_id, after, most, most_entities):
        assert [len(c.entities) for c in contexts] == [c.community.size for c in contexts]
        seen.append([c.community.community for c in contexts])
        await store.save_reports(merged.graph_id, [write_report(c) for c in contexts])
        after = seen[-1][-1]
    assert seen == batches


async def test_reports_are_asked_for_from_where_the_last_of_them_ended(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first each time, all that have a report by then would be passed by again."""
    asked: list[int] = []

    class Asked(PostgresGraphStore):
        async def unreported(
            self, graph_id: int, after: int, most: int, most_entities: int
        ) -> tuple[ReportContext, ...]:
            asked.append(after)
            return await super().unreported(graph_id, after, most, most_entities)

    await index(pool, FIRST)
    store = Asked(pool, PruneSettings(min_node_degree=0, min_edge_weight_pct=0))
    merged = await store.merge_graph(KEY, "1", afresh=False)
    assert merged.graph_id is not None
    ids = await pool.fetchval("SELECT array_agg(id ORDER BY id) FROM entities")
    await store.save_communities(
        merged.graph_id, clustered(community(number, ids[:2]) for number in range(5))
    )
    monkeypatch.setattr(communities, "REPORTS_AT_A_TIME", (2, 100))
    activities = communities.CommunityActivities(store, Inline())
    graph = GraphRef(KEY, merged.graph_id)
    assert await ActivityEnvironment().run(activities.write_reports, graph) == 5
    assert asked == [-1, 1, 3, 4]
    await pool.execute("DELETE FROM community_reports WHERE community = 0")
    # A second attempt begins at the first again.
    assert await ActivityEnvironment().run(activities.write_reports, graph) == 5


class Inline:
    """No process of its own."""

    async def run(self, function: Callable[[*Ts], T], /, *args: *Ts, timeout_seconds: float) -> T:
        return function(*args)


async def test_a_fold_tells_of_documents_that_wait_to_be_read(pool: asyncpg.Pool) -> None:
    store = PostgresGraphStore(pool, PruneSettings(min_node_freq=1))
    await index(pool, {"a.md": processed("a.md", [{("ADA", "BO"): 1}])})
    assert not (await store.merge_graph(KEY, "1", afresh=True)).documents_wait
    await upload(pool, {"b.md": b"of another collection"}, CollectionKey("default", "other"))
    assert not (await store.merge_graph(KEY, "1", afresh=True)).documents_wait
    await upload(pool, {"a.md": b"a new version, which no run was told of"})
    merged = await store.merge_graph(KEY, "1", afresh=True)
    assert (merged.text_units, merged.documents_wait) == (0, True)
    await pool.execute("UPDATE documents SET state = 'pending'")
    assert (await store.merge_graph(KEY, "1", afresh=True)).documents_wait
    opened = await store.open_graph(KEY, "1", afresh=True)
    assert opened is not None
    assert (await store.fold_model_extractions(KEY, opened)).documents_wait
