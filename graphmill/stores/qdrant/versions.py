"""Which graph Qdrant holds of a collection, whole: a point of its own for each."""

from uuid import UUID

from qdrant_client import AsyncQdrantClient, models

from graphmill.ids import content_id
from graphmill.models import CollectionKey
from graphmill.stores.qdrant.client import NoSuchCollection, answering
from graphmill.stores.qdrant.collections import VERSIONS

_WRITING = "writing"
_WHOLE = "whole"


class QdrantVersions:
    def __init__(self, client: AsyncQdrantClient) -> None:
        self._client = client

    async def set(self, key: CollectionKey, version: str) -> None:
        payload = {
            "tenant": key.tenant,
            "collection": key.name,
            "version": version,
            "state": _WHOLE if version else _WRITING,
        }
        point = models.PointStruct(id=str(_id(key)), vector=[1.0], payload=payload)
        with answering("upsert", VERSIONS):
            await self._client.upsert(VERSIONS, [point], wait=True)

    async def get(self, key: CollectionKey) -> str:
        """ "": none is whole."""
        try:
            with answering("retrieve", VERSIONS):
                found = await self._client.retrieve(VERSIONS, [str(_id(key))])
        except NoSuchCollection:  # nothing was ever written
            return ""
        payload = (found[0].payload or {}) if found else {}
        if (payload.get("tenant"), payload.get("collection")) != (key.tenant, key.name):
            return ""
        return str(payload.get("version") or "")

    async def remove(self, key: CollectionKey) -> None:
        with answering("delete", VERSIONS):
            await self._client.delete(VERSIONS, [str(_id(key))], wait=True)

    async def is_anyone_writing(self) -> bool:
        state = models.FieldCondition(key="state", match=models.MatchValue(value=_WRITING))
        with answering("scroll", VERSIONS):
            found, _ = await self._client.scroll(VERSIONS, models.Filter(must=[state]), limit=1)
        return bool(found)


def _id(key: CollectionKey) -> UUID:
    return content_id("version", key.tenant, key.name)
