"""Qdrant collections: one for each embedding model and dimension, so that what is not comparable
never stands together, and a small one that says which graph is held whole."""

import hashlib
import re
from dataclasses import dataclass

from qdrant_client import AsyncQdrantClient, models

from graphmill.settings import Quantization
from graphmill.stores.qdrant.client import answering

VERSIONS = "graphmill-versions"
_VECTORS = "graphmill-vectors-"
_LONGEST = 100

# Tenants stand together on disk, and each has a graph of its own for approximate search.
_TENANT = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
_INDEXES: dict[str, models.PayloadSchemaParams] = {
    "tenant": _TENANT,
    "collection": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD),
    "kind": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD),
    "document_id": models.UuidIndexParams(type=models.UuidIndexType.UUID),
}


def collection_of(model: str, dimension: int) -> str:
    """A name that Qdrant and file systems take, another one for each model and dimension."""
    readable = re.sub(r"[^A-Za-z0-9_.]+", "-", model)[:_LONGEST]
    digest = hashlib.sha256(model.encode()).hexdigest()[:12]
    return f"{_VECTORS}{readable}-{dimension}-{digest}"


@dataclass(frozen=True, slots=True)
class Storing:
    """How vectors are stored; changed later, Qdrant rewrites what it has."""

    quantization: Quantization = Quantization.NONE
    on_disk: bool = False

    @property
    def config(self) -> models.ScalarQuantization | models.BinaryQuantization | None:
        # Quantised vectors are small and in memory, whatever the whole ones are.
        match self.quantization:
            case Quantization.NONE:
                return None
            case Quantization.SCALAR:
                return models.ScalarQuantization(
                    scalar=models.ScalarQuantizationConfig(
                        type=models.ScalarType.INT8, quantile=0.99, always_ram=True
                    )
                )
            case Quantization.BINARY:
                return models.BinaryQuantization(
                    binary=models.BinaryQuantizationConfig(always_ram=True)
                )


class QdrantCollections:
    def __init__(self, client: AsyncQdrantClient, storing: Storing) -> None:
        self._client = client
        self._storing = storing
        self._made: set[str] = set()

    async def prepare(self) -> None:
        """The collection of versions, and what the settings say of those that there are."""
        # Nothing is searched for in it, but older servers have no collection without vectors.
        one = models.VectorParams(size=1, distance=models.Distance.DOT)
        await self._create(VERSIONS, one)
        for name in await self.of_vectors():
            await self._set_up(name)

    async def of_vectors(self) -> tuple[str, ...]:
        with answering("get_collections"):
            found = await self._client.get_collections()
        return tuple(sorted(c.name for c in found.collections if c.name.startswith(_VECTORS)))

    async def make(self, name: str, dimension: int) -> None:
        """For vectors, where it is not there yet."""
        if name in self._made:
            return
        await self._create(
            name,
            models.VectorParams(
                size=dimension, distance=models.Distance.COSINE, on_disk=self._storing.on_disk
            ),
            self._storing.config,
        )
        await self._set_up(name)
        self._made.add(name)

    def forget(self, name: str) -> None:
        """It may be gone: look again before the next write."""
        self._made.discard(name)

    async def drop(self, name: str) -> None:
        self.forget(name)
        with answering("delete_collection", name):
            await self._client.delete_collection(name)

    async def _create(
        self,
        name: str,
        vectors: models.VectorParams,
        quantization: models.ScalarQuantization | models.BinaryQuantization | None = None,
    ) -> None:
        with answering("create_collection", name):
            if await self._client.collection_exists(name):
                return
            try:
                await self._client.create_collection(
                    name, vectors_config=vectors, quantization_config=quantization
                )
            except Exception:
                # Two may make it at once: the second finds that of the first.
                if not await self._client.collection_exists(name):
                    raise

    async def _set_up(self, name: str) -> None:
        """Indexes, and vectors stored as the settings say, where it is not so yet."""
        with answering("create_payload_index", name):
            found = await self._client.get_collection(name)
            for field, params in _INDEXES.items():
                if field not in found.payload_schema:
                    await self._client.create_payload_index(name, field, params, wait=True)
            vectors, wanted = found.config.params.vectors, self._storing.config
            assert isinstance(vectors, models.VectorParams)
            quantized = type(found.config.quantization_config) is type(wanted)
            if quantized and bool(vectors.on_disk) == self._storing.on_disk:
                return
            await self._client.update_collection(
                name,
                vectors_config={"": models.VectorParamsDiff(on_disk=self._storing.on_disk)},
                quantization_config=wanted or models.Disabled.DISABLED,
            )
