"""Basic search: the passages nearest to the question, without the graph."""

import asyncio
import time

from graphmill.models import Answer, CollectionKey
from graphmill.search.answers import compose_answer
from graphmill.search.embedder import SearchEmbedder, asked_graph
from graphmill.search.ports import Passage, SearchStore
from graphmill.search.question import parse_question
from graphmill.search.ranking import rank_passages

MODE = "basic"
NOT_INDEXED = (
    "Nothing was found: the collection {name!r} has no published graph yet. Index it first, or wait"
    " for the run that does."
)


async def basic_search(
    store: SearchStore,
    embedder: SearchEmbedder,
    key: CollectionKey,
    question: str,
    *,
    k: int = 10,
) -> Answer:
    """An extractive answer from the k best text units by words and vectors.

    Raises:
        InvalidRequest: the question is empty or too long.
        NotFound: there is no such collection.
        SettingsError, Unavailable: the model that the graph is embedded by cannot be asked.
    """
    started = time.monotonic()
    asked = parse_question(question)
    async with asked_graph(store, embedder, key, asked) as opened:
        if opened is None:
            return Answer(NOT_INDEXED.format(name=key.name), MODE, ())
        graph, vector = opened
        ranking = await rank_passages(graph, asked, vector)
    best = [(ranking.passages[id], score) for id, score in list(ranking.scores().items())[:k]]
    answer, citations = await asyncio.to_thread(
        compose_answer, asked, best, ranking.weights, ranking.local_similarities, embedder.local
    )
    return Answer(answer, MODE, citations, seconds=round(time.monotonic() - started, 3))


async def rank_basically(
    store: SearchStore, embedder: SearchEmbedder, key: CollectionKey, question: str
) -> tuple[Passage, ...]:
    """The passages that basic search answers from, best first; none without a published graph.

    Raises:
        InvalidRequest: the question is empty or too long.
        NotFound: there is no such collection.
        SettingsError, Unavailable: the model that the graph is embedded by cannot be asked.
    """
    asked = parse_question(question)
    async with asked_graph(store, embedder, key, asked) as opened:
        if opened is None:
            return ()
        graph, vector = opened
        ranking = await rank_passages(graph, asked, vector)
    return tuple(ranking.passages[id] for id in ranking.scores())
