"""What Qdrant's local mode takes and ignores: seen on a server, where QDRANT_URL is set."""

import time
from collections.abc import AsyncGenerator
from uuid import UUID, uuid4

import numpy as np
import pytest
import pytest_asyncio
from qdrant_client import models

from graphmill.models import CollectionKey
from graphmill.projections.records import Kind, Record
from graphmill.settings import Quantization
from graphmill.stores.qdrant.collections import Storing, collection_of
from graphmill.stores.qdrant.vectors import QdrantVectors
from tests.published_vectors import number
from tests.support.vector_stores import QdrantStore, qdrant_server

pytestmark = pytest.mark.asyncio

KIND = Kind.TEXT_UNIT_TEXT
DIMENSION = 256


@pytest_asyncio.fixture
async def store() -> AsyncGenerator[QdrantStore]:
    async with qdrant_server() as opened:
        yield opened


@pytest_asyncio.fixture
async def key(store: QdrantStore) -> AsyncGenerator[CollectionKey]:
    key = CollectionKey(f"t-{uuid4().hex}", "letters")
    yield key
    await store.vectors.clear(key)


def made(key: CollectionKey, count: int) -> list[Record]:
    rows = np.random.default_rng(1).standard_normal((count, DIMENSION)).astype(np.float32)
    properties = {"model": key.tenant, "document_id": str(number(0))}
    return [
        Record(number(i), str(i), properties, vector=row.tolist()) for i, row in enumerate(rows)
    ]


async def test_payload_is_indexed_by_tenant_collection_kind_and_document(
    store: QdrantStore, key: CollectionKey
) -> None:
    await store.vectors.prepare()
    await store.vectors.set_version(key, "")
    await store.vectors.upsert(key, KIND, made(key, 10))
    found = await store.client.get_collection(collection_of(key.tenant, DIMENSION))
    schema = found.payload_schema
    assert set(schema) == {"tenant", "collection", "kind", "document_id"}
    tenant = schema["tenant"].params
    assert isinstance(tenant, models.KeywordIndexParams)
    assert tenant.is_tenant
    assert schema["document_id"].data_type is models.PayloadSchemaType.UUID


@pytest.mark.parametrize("quantization", [Quantization.SCALAR, Quantization.BINARY])
async def test_quantisation_is_a_setting_that_may_change(
    store: QdrantStore, key: CollectionKey, quantization: Quantization
) -> None:
    await store.vectors.prepare()
    await store.vectors.set_version(key, "")
    records = made(key, 3_000)
    await store.vectors.upsert(key, KIND, records)
    name = collection_of(key.tenant, DIMENSION)
    assert (await store.client.get_collection(name)).config.quantization_config is None

    storing = Storing(quantization, on_disk=True)
    quantised = QdrantVectors(store.client, storing=storing)
    await quantised.prepare()
    config = (await store.client.get_collection(name)).config
    assert type(config.quantization_config) is type(storing.config)
    assert isinstance(config.params.vectors, models.VectorParams)
    assert config.params.vectors.on_disk
    await quantised.set_version(key, "1")
    question = records[7].vector
    near = await quantised.reads(key, "1", key.tenant).nearest(KIND, question, 10)
    rows = np.array([record.vector for record in records], np.float64)
    cosines = rows @ rows[7] / np.linalg.norm(rows, axis=1) / np.linalg.norm(rows[7])
    best = {records[int(i)].id for i in np.argsort(-cosines)[:10]}
    assert next(iter(near)) == records[7].id
    assert len(best & set(near)) >= 8

    await store.vectors.prepare()
    assert (await store.client.get_collection(name)).config.quantization_config is None


async def test_points_come_in_the_order_of_their_ids(
    store: QdrantStore, key: CollectionKey
) -> None:
    await store.vectors.prepare()
    await store.vectors.set_version(key, "")
    alike = [UUID(bytes=b"\x80" * 6 + bytes([i]) + b"\x01" * 9) for i in range(9)]
    ids = [*(number(i) for i in range(900)), *alike, UUID(int=1), UUID(int=2**128 - 1)]
    records = [Record(id, "d", {"model": key.tenant}, vector=[1.0] * DIMENSION) for id in ids]
    await store.vectors.upsert(key, KIND, records)
    assert [id async for id, _ in store.vectors.digests(key, KIND)] == sorted(ids)


async def test_a_batch_of_100_takes_less_than_half_a_second(
    store: QdrantStore, key: CollectionKey
) -> None:
    await store.vectors.prepare()
    await store.vectors.set_version(key, "")
    vectors = QdrantVectors(store.client)
    records = made(key, 1_000)
    seconds: list[float] = []
    for start in range(0, 1_000, 100):
        began = time.monotonic()
        await vectors.upsert(key, KIND, records[start : start + 100])
        seconds.append(time.monotonic() - began)
    assert sorted(seconds)[5] < 0.5
