"""Vectors in Qdrant (graphmill.projections.ports.Projection)."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar
from uuid import UUID

from qdrant_client import AsyncQdrantClient, models

from graphmill.models import CollectionKey
from graphmill.projections.records import VECTORS, Kind, Record
from graphmill.stores.qdrant.client import NoSuchCollection, answering
from graphmill.stores.qdrant.collections import QdrantCollections, Storing, collection_of
from graphmill.stores.qdrant.points import payload_of, point_id, within
from graphmill.stores.qdrant.reading import QdrantGraphVectors
from graphmill.stores.qdrant.scrolling import find_strangers, merged, scroll_digests
from graphmill.stores.qdrant.versions import QdrantVersions

T = TypeVar("T")


class QdrantVectors:
    """`batch_size`: points that are written at once; `parallel_uploads`: batches in the air. Every
    write is waited for, so that what a version promises is there. The client belongs to the caller.
    """

    name = "Qdrant"
    kinds = VECTORS

    def __init__(
        self,
        client: AsyncQdrantClient,
        *,
        batch_size: int = 100,
        parallel_uploads: int = 4,
        storing: Storing = Storing(),  # noqa: B008 - frozen
    ) -> None:
        self._client = client
        self._storing = storing
        self._collections = QdrantCollections(client, storing)
        self._versions = QdrantVersions(client)
        self._batch_size = batch_size
        self._parallel_uploads = parallel_uploads

    async def server_version(self) -> str:
        with answering("info"):
            return (await self._client.info()).version

    async def prepare(self) -> None:
        await self._collections.prepare()

    async def digests(self, key: CollectionKey, kind: Kind) -> AsyncIterator[tuple[UUID, str]]:
        """A record that stands in two collections of Qdrant, as one does whose model changed where
        the write was cut off, is there by half."""
        streams = [
            scroll_digests(self._client, name, key, kind)
            for name in await self._collections.of_vectors()
        ]
        async with aclosing(merged(streams)) as digests:
            async for digest in digests:
                yield digest

    async def upsert(self, key: CollectionKey, kind: Kind, records: Sequence[Record]) -> None:
        by_collection: dict[tuple[str, int], list[models.PointStruct]] = {}
        for record in records:
            dimension = len(record.vector)
            name = collection_of(record.properties["model"], dimension)
            by_collection.setdefault((name, dimension), []).append(
                models.PointStruct(
                    id=str(point_id(key, kind, record.id)),
                    vector=list(record.vector),
                    payload=payload_of(key, kind, record),
                )
            )
        for (name, dimension), points in by_collection.items():
            await self._collections.make(name, dimension)
            try:
                await self._in_batches(points, lambda batch, name=name: self._write(name, batch))
            except NoSuchCollection:
                self._collections.forget(name)
                raise
            # By another model before, or of another dimension.
            ids = [record.id for record in records]
            await self._remove(key, kind, ids, but=name)

    async def remove(self, key: CollectionKey, kind: Kind, ids: Sequence[UUID]) -> None:
        await self._remove(key, kind, ids)

    async def clear(self, key: CollectionKey) -> None:
        await self._versions.set(key, "")
        for name in await self._collections.of_vectors():
            await self._delete_matching(name, within(key))
        await self._versions.remove(key)
        await self._drop_empty()

    async def set_version(self, key: CollectionKey, version: str) -> None:
        await self._versions.set(key, version)
        if version:
            await self._drop_empty()

    async def version(self, key: CollectionKey) -> str:
        return await self._versions.get(key)

    def reads(self, key: CollectionKey, version: str, model: str) -> QdrantGraphVectors:
        """What search reads (graphmill.search.ports.VectorStore): the vectors by this model of the
        published graph of this version."""
        return QdrantGraphVectors(self._client, self._versions, self._storing, key, version, model)

    async def _drop_empty(self) -> None:
        """Collections of Qdrant that no model needs any more. Not while anybody writes, who may be
        about to fill one: that is looked at last."""
        for name in await self._collections.of_vectors():
            if not await self._has(name, None):
                if await self._versions.is_anyone_writing():
                    return
                await self._collections.drop(name)

    async def _write(self, name: str, points: Sequence[models.PointStruct]) -> None:
        with answering("upsert", name):
            await self._client.upsert(name, list(points), wait=True)

    async def _remove(
        self, key: CollectionKey, kind: Kind, ids: Sequence[UUID], but: str = ""
    ) -> None:
        async def remove_from(name: str, batch: Sequence[UUID]) -> None:
            points = [point_id(key, kind, id) for id in batch]
            points += await find_strangers(self._client, name, key, kind, batch)
            await self._delete_matching(name, within(key, kind, points))

        for name in await self._collections.of_vectors():
            if name != but and await self._has(name, within(key, kind)):
                await self._in_batches(ids, lambda batch, name=name: remove_from(name, batch))

    async def _delete_matching(self, name: str, points: models.Filter) -> None:
        try:
            with answering("delete", name):
                await self._client.delete(name, models.FilterSelector(filter=points), wait=True)
        except NoSuchCollection:
            pass  # dropped meanwhile, since it was empty

    async def _has(self, name: str, points: models.Filter | None) -> bool:
        """Not by counting, which would look at all of them."""
        try:
            with answering("scroll", name):
                found, _ = await self._client.scroll(name, points, limit=1, with_payload=False)
        except NoSuchCollection:
            return False
        return bool(found)

    async def _in_batches(
        self, items: Sequence[T], write: Callable[[Sequence[T]], Awaitable[None]]
    ) -> None:
        """When it raises, the first error, nothing is in the air any more."""
        starts = deque(range(0, len(items), self._batch_size))

        async def write_batches() -> None:
            while starts:
                start = starts.popleft()
                try:
                    await write(items[start : start + self._batch_size])
                except BaseException:
                    starts.clear()
                    raise

        writers = [write_batches() for _ in range(min(self._parallel_uploads, len(starts)))]
        for ended in await asyncio.gather(*writers, return_exceptions=True):
            if ended is not None:
                raise ended
