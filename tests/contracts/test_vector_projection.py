"""Vectors in Qdrant: those of the published graph, no more and no less, whatever happened."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from qdrant_client import AsyncQdrantClient, models

from graphmill.embedding import LocalEmbedder
from graphmill.errors import Unavailable
from graphmill.messages import ENTITY_DESCRIPTION, TEXT_UNIT_TEXT, VECTOR_INDEXES
from graphmill.models import CollectionKey
from graphmill.projections.comparing import Difference, Fault, differences
from graphmill.projections.records import VECTORS, Kind
from graphmill.projections.syncing import Synced
from graphmill.search.ports import OtherGraph
from graphmill.stores.postgres.projection_source import open_source
from graphmill.stores.qdrant import scrolling
from graphmill.stores.qdrant.collections import VERSIONS, collection_of
from graphmill.stores.qdrant.points import point_id
from tests.published_graph import publish as publish_files
from tests.published_vectors import add_vectors, number, publish, publish_vectors
from tests.support.vector_stores import QDRANT, QdrantStore

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
]

LOCAL = LocalEmbedder().model
FILES = {
    "a.txt": b"Ada Lovelace met Charles Babbage in London. Ada Lovelace wrote to Mary Somerville.",
    "b.txt": b"Charles Babbage built the Difference Engine in London. Mary Somerville saw it.",
    "c.txt": b"The Difference Engine pleased Ada Lovelace. London admired Charles Babbage.",
}


@pytest_asyncio.fixture(params=list(QDRANT))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[QdrantStore]:
    async with QDRANT[request.param](tmp_path) as opened:
        yield opened


@pytest.fixture
def key() -> CollectionKey:
    """A tenant that a server which keeps what it is given has not seen before."""
    return CollectionKey(f"t-{uuid4().hex}", "letters")


def rows(first: int, count: int, dimension: int = 4) -> dict[UUID, list[float]]:
    return {
        number(i): [1.0, float(i), *([0.5] * (dimension - 2))] for i in range(first, first + count)
    }


async def compare(
    pool: asyncpg.Pool, store: QdrantStore, key: CollectionKey
) -> list[tuple[Kind, Difference]]:
    async with open_source(pool, key) as source:
        assert source is not None
        return [
            (kind, difference)
            for kind in VECTORS
            async for difference in differences(
                source.digests(kind), store.vectors.digests(key, kind)
            )
        ]


async def dump(store: QdrantStore, key: CollectionKey) -> list[Any]:
    """All points of a collection, wherever they are."""
    of = [
        models.FieldCondition(key=field, match=models.MatchValue(value=value))
        for field, value in (("tenant", key.tenant), ("collection", key.name))
    ]
    found: list[Any] = []
    for one in (await store.client.get_collections()).collections:
        if one.name != VERSIONS:
            points, _ = await store.client.scroll(
                one.name, models.Filter(must=list(of)), limit=10_000, with_vectors=True
            )
            found += [
                # Local mode rounds a vector otherwise when it is written again.
                (one.name, p.id, sorted((p.payload or {}).items()), _rounded(p.vector))
                for p in points
            ]
    return sorted(found)


def _rounded(vector: object) -> list[float]:
    return [round(x, 6) for x in cast(list[float], vector)]


async def test_a_graph_is_there_whole_and_written_once(
    store: QdrantStore, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    id = await publish_files(pool, key, FILES)
    first = await store.sync(pool, key)
    kept = await pool.fetchval("SELECT count(*) FROM vectors WHERE tenant = $1", key.tenant)
    assert first == Synced(kept, 0)
    assert await compare(pool, store, key) == []
    assert (await store.vectors.version(key)).startswith(f"{id}-")
    held = await dump(store, key)
    assert await store.sync(pool, key) == Synced(0, 0)
    await store.vectors.set_version(key, "")
    assert await store.sync(pool, key) == Synced(0, 0)
    assert await dump(store, key) == held


async def test_points_say_whose_they_are_and_of_what(
    store: QdrantStore, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    await publish_files(pool, key, FILES)
    await store.sync(pool, key)
    held = [dict(payload) for _, _, payload, _ in await dump(store, key)]
    assert {payload["kind"] for payload in held} == set(VECTOR_INDEXES)
    units = [payload for payload in held if payload["kind"] == TEXT_UNIT_TEXT]
    expected = await pool.fetch("SELECT id, document_id FROM text_units ORDER BY id::text")
    assert sorted((p["id"], p["document_id"]) for p in units) == [
        (str(row["id"]), str(row["document_id"])) for row in expected
    ]


async def test_a_graph_without_vectors_is_held(
    store: QdrantStore, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    graph = await publish_vectors(pool, key, {})
    assert await store.sync(pool, key) == Synced(0, 0)
    assert (await store.vectors.version(key)).startswith(f"{graph}-")
    assert await dump(store, key) == []


async def test_only_what_changed_is_written(
    store: QdrantStore, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    await publish_vectors(pool, key, dict.fromkeys(VECTOR_INDEXES, rows(0, 20)))
    await store.sync(pool, key)
    await publish_vectors(pool, key, dict.fromkeys(VECTOR_INDEXES, rows(4, 22)))
    assert await store.sync(pool, key) == Synced(3 * 6, 3 * 4)
    assert await compare(pool, store, key) == []
    fresh = CollectionKey(key.tenant, "fresh")
    await publish_vectors(pool, fresh, dict.fromkeys(VECTOR_INDEXES, rows(4, 22)))
    await store.sync(pool, fresh)

    def records(points: list[Any]) -> list[Any]:
        return sorted(
            [
                (payload["kind"], payload["id"], payload["digest"], vector)
                for _, _, items, vector in points
                for payload in (dict(items),)
            ]
        )

    assert records(await dump(store, key)) == records(await dump(store, fresh))


async def test_digests_come_in_the_order_of_ids_over_all_pages(
    store: QdrantStore,
    pool: asyncpg.Pool,
    key: CollectionKey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also of ids that begin alike, whose points are in an order of their own."""
    monkeypatch.setattr(scrolling, "_PAGE", 4)
    alike = [UUID(bytes=b"\x80" * 6 + bytes([i]) + b"\x01" * 9) for i in range(15)]
    ids = [*rows(0, 15), *alike, UUID(int=0), UUID(int=2**128 - 1)]
    await publish_vectors(pool, key, {TEXT_UNIT_TEXT: {id: [1.0, 2.0] for id in ids}})
    await store.sync(pool, key)
    found = [id async for id, _ in store.vectors.digests(key, Kind.TEXT_UNIT_TEXT)]
    assert found == sorted(ids)
    assert await compare(pool, store, key) == []


async def test_what_was_lost_or_spoilt_is_told_and_written_again(
    store: QdrantStore, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    await publish_vectors(pool, key, dict.fromkeys(VECTOR_INDEXES, rows(0, 20)))
    await store.sync(pool, key)
    held = await dump(store, key)
    name = collection_of(LOCAL, 4)
    points = [str(point_id(key, TEXT_UNIT_TEXT, number(i))) for i in range(20)]
    await store.client.delete(name, [points[0]])
    await store.client.set_payload(name, {"digest": "another"}, [points[1]])
    await store.client.delete_payload(name, ["id"], [points[2]])
    await store.client.set_payload(name, {"id": str(number(4))}, [points[3]])
    await store.client.set_payload(name, {"tenant": "another"}, [points[5]])
    await store.client.upsert(
        name,
        [
            models.PointStruct(
                id=str(uuid4()),
                vector=[1.0, 1.0, 1.0, 1.0],
                payload={
                    "tenant": key.tenant,
                    "collection": key.name,
                    "kind": ENTITY_DESCRIPTION,
                    "id": str(number(6)),
                },
            )
        ],
    )
    told = [(kind, one.id, one.fault) for kind, one in await compare(pool, store, key)]
    assert {(kind, id, fault) for kind, id, fault in told if fault is not Fault.SURPLUS} == {
        (Kind.TEXT_UNIT_TEXT, number(0), Fault.MISSING),
        (Kind.TEXT_UNIT_TEXT, number(1), Fault.OUTDATED),
        (Kind.TEXT_UNIT_TEXT, number(2), Fault.MISSING),
        (Kind.TEXT_UNIT_TEXT, number(3), Fault.MISSING),
        (Kind.TEXT_UNIT_TEXT, number(5), Fault.MISSING),
    }
    assert [kind for kind, _, fault in told if fault is Fault.SURPLUS] == [
        Kind.TEXT_UNIT_TEXT,
        Kind.TEXT_UNIT_TEXT,
        Kind.ENTITY_DESCRIPTION,
    ]
    await store.vectors.set_version(key, "")
    await store.sync(pool, key)
    assert await compare(pool, store, key) == []
    assert await dump(store, key) == held


async def test_two_writers_at_once_end_as_one(
    store: QdrantStore, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    await publish_vectors(pool, key, dict.fromkeys(VECTOR_INDEXES, rows(0, 20)))
    other = CollectionKey(key.tenant, "other")
    await publish_vectors(pool, other, dict.fromkeys(VECTOR_INDEXES, rows(0, 20)))
    await asyncio.gather(*(store.sync(pool, one) for one in (key, other) * 2))
    for one in (key, other):
        assert await compare(pool, store, one) == []
        assert len(await dump(store, one)) == 60


async def test_after_a_write_that_was_cut_off_it_goes_on(
    store: QdrantStore,
    pool: asyncpg.Pool,
    key: CollectionKey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await publish_vectors(pool, key, dict.fromkeys(VECTOR_INDEXES, rows(0, 40)))
    upsert, left = AsyncQdrantClient.upsert, 8

    async def cut_off(self: AsyncQdrantClient, *args: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError("gone")
        return await upsert(self, *args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(AsyncQdrantClient, "upsert", cut_off)
        with pytest.raises(Unavailable, match=r"Qdrant does not answer \(OSError\)"):
            await store.sync(pool, key)
    written = len(await dump(store, key))
    assert 0 < written < 120
    assert await store.vectors.version(key) == ""
    assert await store.sync(pool, key) == Synced(120 - written, 0)
    assert await compare(pool, store, key) == []


async def test_a_changed_model_moves_the_vectors_and_leaves_nothing_behind(
    store: QdrantStore, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    old, new = f"old {key.tenant}", f"new {key.tenant}"
    graph = await publish_vectors(pool, key, dict.fromkeys(VECTOR_INDEXES, rows(0, 10)), old)
    await store.sync(pool, key)
    before = await store.vectors.version(key)
    # Cut off once: some are in both collections of Qdrant.
    await add_vectors(pool, key, dict.fromkeys(VECTOR_INDEXES, rows(0, 10, 6)), new)
    await publish(pool, key, graph, new)
    await store.vectors.set_version(key, "")
    async with open_source(pool, key) as source:
        assert source is not None
        half = await source.records(Kind.TEXT_UNIT_TEXT, [number(i) for i in range(5)])
        await store.vectors.upsert(key, Kind.TEXT_UNIT_TEXT, half)
    await store.client.upsert(
        collection_of(old, 4), [_as_before(key, number(0)), _as_before(key, number(7))]
    )
    doubled = {one.id for _, one in await compare(pool, store, key)}
    assert number(0) in doubled
    assert number(1) in doubled  # entities and reports have yet to move
    assert (await store.sync(pool, key)).removed == 0
    assert await store.vectors.version(key) not in ("", before)
    assert {name for name, *_ in await dump(store, key)} == {collection_of(new, 6)}
    assert len(await dump(store, key)) == 30
    assert await compare(pool, store, key) == []
    assert not await store.client.collection_exists(collection_of(old, 4))
    await store.vectors.clear(key)


def _as_before(key: CollectionKey, id: UUID) -> models.PointStruct:
    payload = {
        "tenant": key.tenant,
        "collection": key.name,
        "kind": TEXT_UNIT_TEXT,
        "id": str(id),
        "digest": "before",
    }
    point = str(point_id(key, TEXT_UNIT_TEXT, id))
    return models.PointStruct(id=point, vector=[1.0, 0.0, 0.0, 0.0], payload=payload)


async def test_what_another_still_writes_into_is_not_dropped(
    store: QdrantStore, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    model, other = f"model {key.tenant}", CollectionKey(key.tenant, "other")
    await publish_vectors(pool, key, {TEXT_UNIT_TEXT: rows(0, 3)}, model)
    await store.sync(pool, key)
    await store.vectors.set_version(other, "")
    await store.vectors.clear(key)
    assert await store.client.collection_exists(collection_of(model, 4))
    await store.vectors.clear(other)
    assert not await store.client.collection_exists(collection_of(model, 4))


async def test_a_collection_that_goes_leaves_nothing(
    store: QdrantStore, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    other = CollectionKey(key.tenant, "other")
    for one in (key, other):
        await publish_vectors(pool, one, dict.fromkeys(VECTOR_INDEXES, rows(0, 9)))
        await store.sync(pool, one)
    held = await dump(store, other)
    for _ in range(2):
        await store.vectors.clear(key)
        assert await dump(store, key) == []
        assert await store.vectors.version(key) == ""
        assert await dump(store, other) == held
    async with store.read(pool, other) as opened:
        assert len(await opened.nearest(TEXT_UNIT_TEXT, [1.0, 0.0, 0.0, 0.0], 20)) == 9
    async with store.read(pool, key) as opened:
        with pytest.raises(OtherGraph):
            await opened.nearest(TEXT_UNIT_TEXT, [1.0, 0.0, 0.0, 0.0], 20)


async def test_nothing_is_answered_but_of_the_published_graph(
    store: QdrantStore, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    question = [1.0, 0.0, 0.0, 0.0]
    await publish_vectors(pool, key, {TEXT_UNIT_TEXT: rows(0, 3)})
    await store.sync(pool, key)
    async with store.read(pool, key) as opened:
        assert len(await opened.nearest(TEXT_UNIT_TEXT, question, 5)) == 3
        # Begun to be written while the graph is read.
        await store.vectors.set_version(key, "")
        with pytest.raises(OtherGraph):
            await opened.nearest(TEXT_UNIT_TEXT, question, 5)
        with pytest.raises(OtherGraph):
            await opened.similarities(TEXT_UNIT_TEXT, question, [number(1)])
    await store.sync(pool, key)
    await publish_vectors(pool, key, {TEXT_UNIT_TEXT: rows(0, 4)})
    async with store.read(pool, key) as opened:
        with pytest.raises(OtherGraph):
            await opened.nearest(TEXT_UNIT_TEXT, question, 5)
    await store.sync(pool, key)
    async with store.read(pool, key) as opened:
        assert len(await opened.nearest(TEXT_UNIT_TEXT, question, 5)) == 4


async def test_what_a_search_read_while_it_was_written_is_not_given(
    store: QdrantStore,
    pool: asyncpg.Pool,
    key: CollectionKey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await publish_vectors(pool, key, {TEXT_UNIT_TEXT: rows(0, 3)})
    await store.sync(pool, key)
    query = AsyncQdrantClient.query_points

    async def query_while_written(self: AsyncQdrantClient, *args: Any, **options: Any) -> Any:
        found = await query(self, *args, **options)
        await store.vectors.set_version(key, "")
        return found

    monkeypatch.setattr(AsyncQdrantClient, "query_points", query_while_written)
    async with store.read(pool, key) as opened:
        with pytest.raises(OtherGraph):
            await opened.nearest(TEXT_UNIT_TEXT, [1.0, 0.0, 0.0, 0.0], 5)


async def test_names_are_safe_and_of_one_model_and_dimension_each() -> None:
    models_: Sequence[str] = ("a/b", "a b", "a:b", "../../etc", "x" * 1000, "ä", "", "a", "A")
    names = [collection_of(model, dimension) for model in models_ for dimension in (3, 1536)]
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        assert len(name) < 150
        assert not set(name) & set('<>:"/\\|?* \x00\x1f')


async def test_a_folder_has_what_was_written_when_it_is_opened_again(
    pool: asyncpg.Pool, key: CollectionKey, tmp_path: Path
) -> None:
    await publish_vectors(pool, key, {TEXT_UNIT_TEXT: rows(0, 9)})
    async with QDRANT["qdrant-folder"](tmp_path) as store:
        await store.sync(pool, key)
    async with QDRANT["qdrant-folder"](tmp_path) as store:
        assert await store.sync(pool, key) == Synced(0, 0)
        assert await compare(pool, store, key) == []
        async with store.read(pool, key) as opened:
            assert len(await opened.nearest(TEXT_UNIT_TEXT, [1.0, 0.0, 0.0, 0.0], 20)) == 9
