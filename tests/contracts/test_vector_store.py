"""Search by vectors gives the same in every store: what comparing with each vector gives, of the
published graph of one collection and of nothing else."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import numpy as np
import pytest
import pytest_asyncio

from graphmill.messages import (
    COMMUNITY_FULL_CONTENT,
    ENTITY_DESCRIPTION,
    TEXT_UNIT_TEXT,
    VECTOR_INDEXES,
)
from graphmill.models import CollectionKey
from graphmill.stores.qdrant.points import point_id
from tests.published_vectors import add_graph, add_vectors, number, publish, publish_vectors
from tests.support.vector_stores import STORES, Store

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
]

Rows = Mapping[UUID, Sequence[float]]


@pytest_asyncio.fixture(params=list(STORES))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Store]:
    async with STORES[request.param](tmp_path) as opened:
        yield opened


@pytest.fixture
def key() -> CollectionKey:
    """A tenant that a server which keeps what it is given has not seen before."""
    return CollectionKey(f"t-{uuid4().hex}", "letters")


def random_rows(seed: int, count: int, dimension: int) -> dict[UUID, list[float]]:
    """Of any length: cosines do not depend on it."""
    made = np.random.default_rng(seed)
    lengths = made.uniform(0.1, 20, (count, 1))
    rows = (made.standard_normal((count, dimension)) * lengths).astype(np.float32)
    return {number(1000 * seed + i): row.tolist() for i, row in enumerate(rows)}


def compared(rows: Rows, vector: Sequence[float]) -> dict[UUID, float]:
    """With each of them; nearest first, ties by id."""
    asked = np.asarray(vector, np.float64)
    found: dict[UUID, float] = {}
    for id, row in rows.items():
        own = np.asarray(row, np.float64)
        found[id] = float(own @ asked / (np.linalg.norm(own) * np.linalg.norm(asked)))
    return dict(sorted(found.items(), key=lambda one: (-round(one[1], 6), one[0])))


def assert_same(found: Mapping[UUID, float], expected: Mapping[UUID, float]) -> None:
    assert list(found) == list(expected)
    assert list(found.values()) == pytest.approx(list(expected.values()), abs=2e-6)


async def test_answers_are_those_of_comparing_with_each(
    store: Store, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    vectors = {index: random_rows(i, 60, 24) for i, index in enumerate(VECTOR_INDEXES)}
    await publish_vectors(pool, key, vectors)
    await store.hold(pool, key)
    questions = random_rows(9, 5, 24).values()
    async with store.read(pool, key) as opened:
        for index, rows in vectors.items():
            for question in questions:
                expected = list(compared(rows, question).items())
                assert_same(await opened.nearest(index, question, 10), dict(expected[:10]))
                some = [id for id, _ in expected[::5]]
                assert_same(
                    await opened.similarities(index, question, [*some, number(-1)]),
                    dict(expected[::5]),
                )
            assert len(await opened.nearest(index, [1.0] * 24, 1000)) == 60


async def test_ties_are_in_the_order_of_ids(
    store: Store, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    same = random_rows(1, 1, 24).popitem()[1]
    copies = {number(i): same for i in range(60)}
    nearer = {number(61): [2 * x for x in same[:23]] + [0.0]}
    await publish_vectors(
        pool, key, {TEXT_UNIT_TEXT: {**copies, **nearer, **random_rows(2, 9, 24)}}
    )
    await store.hold(pool, key)
    question = [*same[:23], 0.0]
    async with store.read(pool, key) as opened:
        found = list(await opened.nearest(TEXT_UNIT_TEXT, question, 9))
        assert found == [number(61), *sorted(copies)[:8]]
        asked = await opened.similarities(TEXT_UNIT_TEXT, question, sorted(copies)[::-7])
        assert list(asked) == sorted(asked)


async def test_nothing_is_near_to_zeros(
    store: Store, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    rows = {number(1): [0.0, 0.0, 0.0], number(2): [1.0, 0.0, 0.0], number(3): [-1.0, 0.0, 0.0]}
    await publish_vectors(pool, key, dict.fromkeys(VECTOR_INDEXES, rows))
    await store.hold(pool, key)
    async with store.read(pool, key) as opened:
        for index in VECTOR_INDEXES:
            near = await opened.nearest(index, [2.0, 0.0, 0.0], 10)
            assert near == {number(2): 1.0, number(3): -1.0}
            assert await opened.similarities(index, [2.0, 0.0, 0.0], list(rows)) == near
            assert await opened.nearest(index, [0.0, 0.0, 0.0], 10) == {}
            assert await opened.similarities(index, [0.0, 0.0, 0.0], list(rows)) == {}


async def test_nothing_asked_for_is_nothing(
    store: Store, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    await publish_vectors(pool, key, {TEXT_UNIT_TEXT: {number(1): [1.0, 0.0]}})
    await store.hold(pool, key)
    async with store.read(pool, key) as opened:
        assert await opened.nearest(TEXT_UNIT_TEXT, [1.0, 0.0], 0) == {}
        assert await opened.similarities(TEXT_UNIT_TEXT, [1.0, 0.0], []) == {}
        assert await opened.nearest(ENTITY_DESCRIPTION, [1.0, 0.0], 5) == {}


async def test_a_graph_without_vectors_has_nothing_near(
    store: Store, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    await publish_vectors(pool, key, {})
    await store.hold(pool, key)
    async with store.read(pool, key) as opened:
        assert await opened.nearest(TEXT_UNIT_TEXT, [1.0, 0.0], 5) == {}
        assert await opened.similarities(TEXT_UNIT_TEXT, [1.0, 0.0], [number(1)]) == {}


async def test_what_is_not_published_is_not_found(
    store: Store, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    """Vectors that a run under way has made already, of a graph to come or by a model to come."""
    rows = random_rows(1, 5, 8)
    await publish_vectors(pool, key, dict.fromkeys(VECTOR_INDEXES, rows))
    coming = {index: random_rows(2, 5, 8) for index in VECTOR_INDEXES}
    await add_graph(pool, key, {index: tuple(more) for index, more in coming.items()})
    await add_vectors(pool, key, coming)
    await add_vectors(pool, key, {TEXT_UNIT_TEXT: random_rows(1, 5, 16)}, "another")
    await store.hold(pool, key)
    question = random_rows(3, 1, 8).popitem()[1]
    async with store.read(pool, key) as opened:
        for index in VECTOR_INDEXES:
            assert_same(await opened.nearest(index, question, 20), compared(rows, question))
            assert await opened.similarities(index, question, list(coming[index])) == {}


@pytest.mark.parametrize("dimension", [8, 16])
async def test_another_model_is_never_mixed_with_the_last(
    store: Store, pool: asyncpg.Pool, key: CollectionKey, dimension: int
) -> None:
    before = {index: random_rows(1, 10, 8) for index in VECTOR_INDEXES}
    graph = await publish_vectors(pool, key, before, "old/model:1")
    await store.hold(pool, key)
    after = {
        index: dict(zip(rows, random_rows(2, 10, dimension).values(), strict=True))
        for index, rows in before.items()
    }
    # The graph as it stands, published again, as where nothing but the model has changed.
    await add_vectors(pool, key, after, "new model")
    await publish(pool, key, graph, "new model")
    await store.hold(pool, key)
    question = random_rows(3, 1, dimension).popitem()[1]
    async with store.read(pool, key, "new model") as opened:
        for index, rows in after.items():
            assert_same(await opened.nearest(index, question, 50), compared(rows, question))
    async with store.read(pool, key, "old/model:1") as opened:
        for index, rows in before.items():
            assert await opened.nearest(index, [1.0] * 8, 50) == {}
            assert await opened.similarities(index, [1.0] * 8, list(rows)) == {}


async def test_a_question_of_another_dimension_finds_nothing(
    store: Store, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    await publish_vectors(pool, key, {TEXT_UNIT_TEXT: random_rows(1, 5, 8)})
    await store.hold(pool, key)
    async with store.read(pool, key) as opened:
        assert await opened.nearest(TEXT_UNIT_TEXT, [1.0] * 7, 5) == {}


async def test_vectors_that_were_missing_are_found_when_it_is_published_again(
    store: Store, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    rows = random_rows(1, 6, 8)
    graph = await add_graph(pool, key, {TEXT_UNIT_TEXT: tuple(rows)})
    first = dict(list(rows.items())[:4])
    await add_vectors(pool, key, {TEXT_UNIT_TEXT: first})
    await publish(pool, key, graph)
    await store.hold(pool, key)
    question = random_rows(3, 1, 8).popitem()[1]
    async with store.read(pool, key) as opened:
        assert_same(await opened.nearest(TEXT_UNIT_TEXT, question, 9), compared(first, question))
    await add_vectors(pool, key, {TEXT_UNIT_TEXT: rows})
    await publish(pool, key, graph)
    await store.hold(pool, key)
    async with store.read(pool, key) as opened:
        assert_same(await opened.nearest(TEXT_UNIT_TEXT, question, 9), compared(rows, question))


async def test_no_collection_sees_what_another_has(
    store: Store, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    """The same ids, the same vectors but one, and names made so that, put together, they are
    another's."""
    others = (
        CollectionKey(f"{key.tenant}-rival", key.name),
        CollectionKey(key.tenant, f"{key.name}.2"),
        CollectionKey(key.tenant, f"{key.tenant}\x1f{key.name}"),
        CollectionKey(key.tenant, "' OR tenant <> '"),
        CollectionKey(key.tenant, "*"),
    )
    shared = random_rows(1, 5, 8)
    for i, other in enumerate((key, *others)):
        rows = {**shared, **random_rows(10 + i, 2, 8)}
        await publish_vectors(pool, other, dict.fromkeys(VECTOR_INDEXES, rows))
        await store.hold(pool, other)
    question = random_rows(3, 1, 8).popitem()[1]
    theirs = [id for i in range(len(others)) for id in random_rows(11 + i, 2, 8)]
    crafted = [
        point_id(other, index, id)
        for other in others
        for index in VECTOR_INDEXES
        for id in theirs + list(shared)
    ]
    async with store.read(pool, key) as opened:
        for index in VECTOR_INDEXES:
            expected = compared({**shared, **random_rows(10, 2, 8)}, question)
            assert_same(await opened.nearest(index, question, 1000), expected)
            assert await opened.similarities(index, question, theirs + crafted) == {}
        for index in (f"{TEXT_UNIT_TEXT}' OR '1'='1", "*", "", "entity", "tenant"):
            assert await opened.nearest(index, question, 1000) == {}
            assert await opened.similarities(index, question, list(shared)) == {}


async def test_one_id_in_two_vector_indexes_is_two_vectors(
    store: Store, pool: asyncpg.Pool, key: CollectionKey
) -> None:
    await publish_vectors(
        pool,
        key,
        {
            TEXT_UNIT_TEXT: {number(1): [1.0, 0.0]},
            ENTITY_DESCRIPTION: {number(1): [0.0, 1.0]},
            COMMUNITY_FULL_CONTENT: {number(2): [1.0, 0.0]},
        },
    )
    await store.hold(pool, key)
    async with store.read(pool, key) as opened:
        assert await opened.nearest(TEXT_UNIT_TEXT, [1.0, 0.0], 5) == {number(1): 1.0}
        assert await opened.nearest(ENTITY_DESCRIPTION, [1.0, 0.0], 5) == {number(1): 0.0}
        assert await opened.similarities(COMMUNITY_FULL_CONTENT, [1.0, 0.0], [number(1)]) == {}
