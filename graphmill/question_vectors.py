"""Questions embedded by the model of an endpoint, for search (graphmill.search.ports)."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack

import asyncpg

from graphmill.errors import PermanentError, SettingsError, Unavailable
from graphmill.llm.calls import Payer
from graphmill.llm.embedder import ModelEmbedder
from graphmill.llm.pool import Retried
from graphmill.model_endpoints import open_model_embedder
from graphmill.models import CollectionKey
from graphmill.settings import Settings

_STEP = "query"
# Nobody waits longer for an answer; a run may have the endpoint to itself for hours.
_SECONDS = 60.0


class EndpointQuestionVectors:
    """Endpoints are opened at the first question that needs one: most processes never do."""

    def __init__(self, fleet: asyncpg.Pool, tenants: asyncpg.Pool, settings: Settings) -> None:
        """`fleet` knows how endpoints fare; `tenants` has a tenant's vectors."""
        self._fleet = fleet
        self._tenants = tenants
        self._settings = settings
        self._stack = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._embedder: ModelEmbedder | None = None

    async def __call__(self, key: CollectionKey, model: str, question: str) -> Sequence[float]:
        try:
            async with asyncio.timeout(_SECONDS):
                embedder = await self._open()
                text = embedder.text_to_embed(question)
                found = await embedder.embed(Payer(key, None, _STEP), model, (text,))
        except TimeoutError:
            raise Unavailable(
                f"the embedding model {model!r} did not answer within {_SECONDS:g} s: its endpoint"
                " may have too much to do; ask again"
            ) from None
        except PermanentError as error:
            raise SettingsError(_words(key, model, str(error))) from None
        vector = found[text]
        if isinstance(vector, str):
            raise SettingsError(_words(key, model, f"it refuses this question: {vector}"))
        return vector.vector

    async def _open(self) -> ModelEmbedder:
        async with self._opening:
            if self._embedder is None:
                opening = open_model_embedder(
                    self._fleet, self._settings, _log_retry, tenants=self._tenants
                )
                self._embedder = await self._stack.enter_async_context(opening)
            return self._embedder

    async def close(self) -> None:
        await self._stack.aclose()


def _log_retry(retried: Retried) -> None:
    logging.getLogger(__name__).info("try %d: %s", retried.tries, retried.error)


def _words(key: CollectionKey, model: str, why: str) -> str:
    return (
        f"the graph of collection {key.name!r} is embedded by the model {model!r}, which cannot be"
        f" asked here for the question's vector: {why}; set its endpoint here as where the workers"
        " run, or index the collection again with another embedding model"
    )
