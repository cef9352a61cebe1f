"""The activity that embeds what has no vector yet."""

import asyncio
from uuid import UUID

from temporalio import activity

from activities.heartbeats import heartbeating
from graphmill.messages import EmbedRequest
from graphmill.ports import Embedder, VectorStore

# Texts embedded, and kept, at a time.
_BATCH = 500


class EmbeddingActivities:
    """Queue: embedding."""

    def __init__(self, store: VectorStore, embedder: Embedder) -> None:
        self._store = store
        self._embedder = embedder

    @activity.defn
    async def embed(self, request: EmbedRequest) -> int:
        """Embed what the graph holds for one vector index; returns how many were new."""
        embedded, after = 0, UUID(int=0)
        async with heartbeating():
            while batch := await self._store.unembedded(
                request.key,
                request.graph_id,
                request.vector_index,
                self._embedder.model,
                after,
                _BATCH,
            ):
                # In a thread: the event loop has heartbeats to send.
                vectors = await asyncio.to_thread(self._embedder.embed, [text for _, text in batch])
                await self._store.upsert_vectors(
                    request.key,
                    request.vector_index,
                    self._embedder.model,
                    [(id, vector) for (id, _), vector in zip(batch, vectors, strict=True)],
                )
                embedded += len(batch)
                after = batch[-1][0]
        return embedded
