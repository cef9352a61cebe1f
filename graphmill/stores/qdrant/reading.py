"""Search in Qdrant (graphmill.search.ports.VectorStore)."""

from collections.abc import Sequence
from uuid import UUID

from qdrant_client import AsyncQdrantClient, models

from graphmill.models import CollectionKey
from graphmill.search.ports import OtherGraph
from graphmill.stores.qdrant.client import NoSuchCollection, answering
from graphmill.stores.qdrant.collections import Storing, collection_of
from graphmill.stores.qdrant.points import point_id, within
from graphmill.stores.qdrant.versions import QdrantVersions

# Scores that are nearer to each other than sums of float32 can tell are ties.
_TIE = 1e-6
# Ties at the end are looked for so far: beyond, which of them come is left to Qdrant.
_MOST_TIES = 4_096
# Of quantised vectors so many times as many are looked at, and then compared whole.
_OVERSAMPLING = 3.0


class QdrantGraphVectors:
    """The vectors of the published graph of this version, as long as Qdrant holds just that, which
    is looked at before and after each search."""

    def __init__(
        self,
        client: AsyncQdrantClient,
        versions: QdrantVersions,
        storing: Storing,
        key: CollectionKey,
        version: str,
        model: str,
    ) -> None:
        self._client = client
        self._versions = versions
        self._storing = storing
        self._key = key
        self._version = version
        self._model = model
        self._held = False

    async def nearest(
        self, vector_index: str, vector: Sequence[float], limit: int
    ) -> dict[UUID, float]:
        if limit < 1 or not any(vector):
            return {}
        await self._begin()
        asked = limit + 1
        while True:
            found = await self._search(vector, within(self._key, vector_index), asked)
            whole = len(found) < asked or found[-1][1] < found[limit - 1][1] - _TIE
            if whole or asked >= limit + _MOST_TIES:
                break
            asked = min(2 * asked, limit + _MOST_TIES)
        await self._check()
        return dict(_in_order(found)[:limit])

    async def similarities(
        self, vector_index: str, vector: Sequence[float], ids: Sequence[UUID]
    ) -> dict[UUID, float]:
        if not ids or not any(vector):
            return {}
        await self._begin()
        points = {point_id(self._key, vector_index, id) for id in ids}
        found = await self._search(vector, within(self._key, vector_index, points), len(points))
        await self._check()
        return dict(_in_order(found))

    async def _search(
        self, vector: Sequence[float], among: models.Filter, limit: int
    ) -> list[tuple[UUID, float]]:
        params = None
        if self._storing.config is not None:
            quantization = models.QuantizationSearchParams(rescore=True, oversampling=_OVERSAMPLING)
            params = models.SearchParams(quantization=quantization)
        try:
            collection = collection_of(self._model, len(vector))
            with answering("query_points", collection):
                answer = await self._client.query_points(
                    collection,
                    query=list(vector),
                    query_filter=among,
                    search_params=params,
                    limit=limit,
                    with_payload=["id"],
                )
        except NoSuchCollection:
            return []  # nothing has been embedded by that model
        return [
            (UUID(str((point.payload or {})["id"])), min(1.0, max(-1.0, point.score)))
            for point in answer.points
        ]

    async def _begin(self) -> None:
        """What was so after the last search is so before this one, or is not after it: nothing is
        written that is not told before."""
        if not self._held:
            await self._check()
            self._held = True

    async def _check(self) -> None:
        if await self._versions.get(self._key) != self._version:
            raise OtherGraph(
                f"Qdrant does not hold what is published of collection {self._key.name!r}"
            )


def _in_order(found: Sequence[tuple[UUID, float]]) -> list[tuple[UUID, float]]:
    """Nearest first; a run of scores that cannot be told apart by id."""
    ordered: list[tuple[UUID, float]] = []
    run: list[tuple[UUID, float]] = []
    for one in sorted(found, key=lambda one: -one[1]):
        if run and one[1] < run[-1][1] - _TIE:
            ordered += sorted(run)
            run = []
        run.append(one)
    return ordered + sorted(run)
