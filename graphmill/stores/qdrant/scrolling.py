"""All digests of a collection as Qdrant has them, in the order of their records' ids.

Qdrant gives points in the order of their ids, page by page, and those are made so that they follow
the records' (graphmill.stores.qdrant.points): nothing is sorted but the few that begin alike, and
no more is in memory than a page.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import suppress
from uuid import UUID

from qdrant_client import AsyncQdrantClient, models

from graphmill.models import CollectionKey
from graphmill.projections.records import Kind
from graphmill.stores.qdrant.client import NoSuchCollection, answering
from graphmill.stores.qdrant.points import order_of, point_id, within

_PAGE = 5_000


async def scroll_digests(
    client: AsyncQdrantClient, name: str, key: CollectionKey, kind: Kind
) -> AsyncGenerator[tuple[UUID, str]]:
    """Of a stranger, a point that is not as we write them, its own id and "". Nothing where the
    collection is gone."""
    alike: list[tuple[UUID, str]] = []
    with suppress(NoSuchCollection):
        async for point in _points(client, name, within(key, kind)):
            if isinstance(point.id, int):
                continue  # people made it themselves: it is left alone
            found = _read(key, kind, point)
            if alike and order_of(found[0]) != order_of(alike[0][0]):
                for digest in sorted(alike):
                    yield digest
                alike = []
            alike.append(found)
    for digest in sorted(alike):
        yield digest


async def find_strangers(
    client: AsyncQdrantClient, name: str, key: CollectionKey, kind: Kind, ids: Sequence[UUID]
) -> list[UUID]:
    """Those points of these ids that are strangers: what was one may have been written again since,
    as what it should be."""
    with suppress(NoSuchCollection):
        points = [point async for point in _points(client, name, within(key, kind, ids))]
        return [id for id, digest in (_read(key, kind, one) for one in points) if not digest]
    return []


async def merged(
    streams: Sequence[AsyncGenerator[tuple[UUID, str]]],
) -> AsyncGenerator[tuple[UUID, str]]:
    """By id; "" of an id that comes more than once."""
    try:
        heads = [(await anext(stream, None), stream) for stream in streams]
        while least := min((head[0] for head, _ in heads if head is not None), default=None):
            digests = [head[1] for head, _ in heads if head is not None and head[0] == least]
            yield least, digests[0] if len(digests) == 1 else ""
            heads = [
                (
                    await anext(stream, None) if head is not None and head[0] == least else head,
                    stream,
                )
                for head, stream in heads
            ]
    finally:
        for stream in streams:
            await stream.aclose()


async def _points(
    client: AsyncQdrantClient, name: str, among: models.Filter
) -> AsyncIterator[models.Record]:
    after = None
    while True:
        with answering("scroll", name):
            points, after = await client.scroll(
                name,
                scroll_filter=among,
                limit=_PAGE,
                offset=after,
                with_payload=["id", "digest"],
            )
        for point in points:
            yield point
        if after is None:
            return


def _read(key: CollectionKey, kind: Kind, point: models.Record) -> tuple[UUID, str]:
    own, payload = UUID(str(point.id)), point.payload or {}
    with suppress(ValueError):
        id = UUID(str(payload.get("id")))
        if point_id(key, kind, id) == own:
            return id, str(payload.get("digest") or "")
    return own, ""
