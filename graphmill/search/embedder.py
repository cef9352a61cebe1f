"""What a question is embedded by: the model of the graph that it is put to, whatever is set."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from graphmill.errors import SettingsError, Unavailable
from graphmill.models import CollectionKey
from graphmill.search.ports import ArrayEmbedder, GraphSnapshot, QuestionVectors, SearchStore
from graphmill.search.question import Question

# Each time another graph was published while the question was embedded for the one before.
_TRIES = 5


@dataclass(frozen=True, slots=True)
class QuestionVector:
    """`model`: as the vectors of the graph name it. `local`: it is the local one."""

    model: str
    vector: list[float]
    local: bool


async def _no_endpoint(key: CollectionKey, model: str, question: str) -> Sequence[float]:
    raise SettingsError(f"no endpoint is set that could be asked for the embedding model {model!r}")


class SearchEmbedder:
    """Sentences are embedded locally, whatever the graph is: hundreds for each answer, which are
    only compared with each other and with the question."""

    def __init__(self, local: ArrayEmbedder, by_model: QuestionVectors = _no_endpoint) -> None:
        self.local = local
        self._by_model = by_model

    async def embed(self, key: CollectionKey, model: str, question: str) -> QuestionVector:
        """Raises as QuestionVectors does."""
        if model:
            found = await self._by_model(key, model, question)
            return QuestionVector(model, list(found), local=False)
        vector: list[float] = self.local.embed_array([question])[0].tolist()
        return QuestionVector(self.local.model, vector, local=True)


@asynccontextmanager
async def asked_graph(
    store: SearchStore, embedder: SearchEmbedder, key: CollectionKey, question: Question
) -> AsyncGenerator[tuple[GraphSnapshot, QuestionVector] | None]:
    """The published graph, and the question's vector by its model; None where nothing has been
    published yet. The question is embedded before: while an endpoint is asked, which may take its
    time, no transaction is open.

    Raises:
        NotFound: there is no such collection.
        SettingsError, Unavailable: the graph's model cannot be asked.
    """
    for _ in range(_TRIES):
        model = await store.embedding_model(key)
        vector = await embedder.embed(key, model, question.text)
        async with store.snapshot(key) as graph:
            if graph is None:
                yield None
                return
            if graph.embedding_model == model:
                yield graph, vector
                return
    raise Unavailable(
        f"collection {key.name!r} is published anew again and again, each time embedded by another"
        " model; ask again"
    )
