"""How vectors stand in Qdrant: a point's id, its payload, and what finds those of one collection.

A point's id begins as the record's own and ends in a digest of (tenant, collection, kind, id):

- two collections that have the same record have two points, wherever they are;
- Qdrant reads points in the order of their ids, which so is that of the records but for those whose
  first 6 bytes are the same (one pair, by chance, in 20 million).
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from qdrant_client import models

from graphmill.ids import content_id
from graphmill.models import CollectionKey
from graphmill.projections.records import Record

_ORDERED_BYTES = 6


def point_id(key: CollectionKey, kind: str, id: UUID) -> UUID:
    own = content_id("point", kind, id, key.tenant, key.name)
    return UUID(bytes=id.bytes[:_ORDERED_BYTES] + own.bytes[: 16 - _ORDERED_BYTES])


def order_of(id: UUID) -> bytes:
    """The same for a record and its point: what is smaller here comes first in Qdrant."""
    return id.bytes[:_ORDERED_BYTES]


def payload_of(key: CollectionKey, kind: str, record: Record) -> dict[str, Any]:
    return {
        **{name: value for name, value in record.properties.items() if name != "model"},
        "tenant": key.tenant,
        "collection": key.name,
        "kind": kind,
        "id": str(record.id),
        "digest": record.digest,
    }


def within(
    key: CollectionKey, kind: str | None = None, point_ids: Iterable[UUID] | None = None
) -> models.Filter:
    """Points of one collection of one tenant, and of no other, whatever ids are asked for."""
    must: list[models.Condition] = [
        _is("tenant", key.tenant),
        _is("collection", key.name),
    ]
    if kind is not None:
        must.append(_is("kind", str(kind)))
    if point_ids is not None:
        must.append(models.HasIdCondition(has_id=[str(id) for id in point_ids]))
    return models.Filter(must=must)


def _is(field: str, value: str) -> models.FieldCondition:
    return models.FieldCondition(key=field, match=models.MatchValue(value=value))
