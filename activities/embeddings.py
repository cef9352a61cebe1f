"""The activity that embeds what has no vector yet."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from temporalio import activity

from activities.fan_out import for_each
from activities.heartbeats import heartbeating
from graphmill.llm.calls import Payer
from graphmill.llm.embedder import ModelEmbedder
from graphmill.llm.vectors import MOST_TEXTS, MOST_TOKENS, TextVector, Vector
from graphmill.messages import EmbedRequest
from graphmill.ports import Embedder, EmbeddingStore
from graphmill.tokens import count_tokens

EMBED = "embed"
"""The step under which a model's calls are accounted."""

# Texts that are looked up, or embedded by the local model and kept, at a time.
_PAGE = 500
# Calls at once: as many as an endpoint may have places by default. Their texts are in memory.
_AT_ONCE = 200


class EmbeddingActivities:
    """Queue: embedding."""

    def __init__(self, store: EmbeddingStore, local: Embedder, model: ModelEmbedder) -> None:
        self._store = store
        self._local = local
        self._model = model

    @activity.defn
    async def embed(self, request: EmbedRequest) -> int:
        """Embed what the graph holds for one vector index; returns how many were new.

        Done again after a crash, it pays again only for calls that were in the air.
        """
        async with heartbeating():
            if request.model:
                return await _ByModel(self._store, self._model, request).run()
            return await self._embed_locally(request)

    async def _embed_locally(self, request: EmbedRequest) -> int:
        embedded, after, model = 0, UUID(int=0), self._local.model
        while batch := await self._store.unembedded(
            request.key, request.graph_id, request.vector_index, model, after, _PAGE
        ):
            # In a thread: the event loop has heartbeats to send.
            vectors = await asyncio.to_thread(self._local.embed, [text for _, text in batch])
            await self._store.upsert_vectors(
                request.key,
                request.vector_index,
                model,
                [(id, vector) for (id, _), vector in zip(batch, vectors, strict=True)],
            )
            embedded += len(batch)
            after = batch[-1][0]
        return embedded


@dataclass(slots=True)
class _Batch:
    """What one call embeds: each text with the ids that are to have its vector."""

    ids: dict[str, list[UUID]] = field(default_factory=dict[str, list[UUID]])
    tokens: int = 0

    def takes(self, text: str, tokens: int) -> bool:
        full = len(self.ids) == MOST_TEXTS or self.tokens + tokens > MOST_TOKENS
        return text in self.ids or not self.ids or not full

    def add(self, text: str, tokens: int, ids: Sequence[UUID]) -> None:
        self.tokens += 0 if text in self.ids else tokens
        self.ids.setdefault(text, []).extend(ids)


class _ByModel:
    """One vector index of a graph on its way through the model of an endpoint."""

    def __init__(
        self, store: EmbeddingStore, embedder: ModelEmbedder, request: EmbedRequest
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._request = request
        self._payer = Payer(request.key, request.run_id, EMBED)
        self._embedded = 0
        self._refused = 0
        self._cut: set[UUID] = set()  # of which only the beginning is sent

    async def run(self) -> int:
        await for_each(self._batches(), self._embed, _AT_ONCE)
        if self._refused:
            activity.logger.warning(
                "%d texts of %s in graph %d have no vector, since the endpoint refuses them",
                self._refused,
                self._request.vector_index,
                self._request.graph_id,
            )
        return self._embedded

    async def _batches(self) -> AsyncIterator[_Batch]:
        """Full ones, across pages; what is paid for needs no call."""
        batch, after = _Batch(), UUID(int=0)
        while page := await self._unembedded(after):
            after = page[-1][0]
            ids: dict[str, list[UUID]] = {}
            for id, text in page:
                if sent := self._embedder.text_to_embed(text):
                    ids.setdefault(sent, []).append(id)
                    if len(sent) < len(text):
                        self._cut.add(id)
            known = await self._embedder.known(self._payer, self._request.model, ids)
            await self._keep(ids, known)
            for text in (text for text in ids if text not in known):
                tokens = count_tokens(text)
                if not batch.takes(text, tokens):
                    yield batch
                    batch = _Batch()
                batch.add(text, tokens, ids[text])
        if batch.ids:
            yield batch

    async def _unembedded(self, after: UUID) -> tuple[tuple[UUID, str], ...]:
        request = self._request
        place = request.key, request.graph_id, request.vector_index
        return await self._store.unembedded(*place, request.model, after, _PAGE)

    async def _embed(self, batch: _Batch) -> None:
        model, texts = self._request.model, tuple(batch.ids)
        await self._keep(batch.ids, await self._embedder.embed(self._payer, model, texts))

    async def _keep(
        self, ids: Mapping[str, Sequence[UUID]], told: Mapping[str, TextVector | str]
    ) -> None:
        """Vectors, and why there are none."""
        found: list[tuple[UUID, Vector]] = []
        gaps: dict[UUID, str] = {}
        for text, vector in told.items():
            for id in ids[text]:
                if isinstance(vector, str):
                    gaps[id] = vector
                    continue
                found.append((id, vector.vector))
                if vector.cut or id in self._cut:
                    gaps[id] = ""
        place = self._request.key, self._request.vector_index, self._request.model
        if gaps:
            await self._store.note_gaps(*place, gaps)
        if found:
            await self._store.upsert_vectors(*place, found)
        self._embedded += len(found)
        self._refused += sum(reason != "" for reason in gaps.values())
