"""Local search: passages that the question's words, meaning and entities lead to over the graph."""

import asyncio
import math
import time

from graphmill.models import Answer, CollectionKey, ScoredEntity
from graphmill.search.answers import compose_answer
from graphmill.search.basic import NOT_INDEXED
from graphmill.search.chains import Chains, follow_chains
from graphmill.search.embedder import QuestionVector, SearchEmbedder, asked_graph
from graphmill.search.ports import (
    EntityNode,
    GraphSnapshot,
    Passage,
    SearchStore,
)
from graphmill.search.question import Question, count_terms, parse_question
from graphmill.search.ranking import Ranking, rank_passages

MODE = "local"
# What the vector of a description says counts less than a name in the question.
_SIMILAR_SHARE = 0.5


async def local_search(
    store: SearchStore,
    embedder: SearchEmbedder,
    key: CollectionKey,
    question: str,
    *,
    top_entities: int = 10,
    context_tokens: int = 12_000,
) -> Answer:
    """An extractive answer from the best passages that fill context_tokens, with the entities that
    the question names, comes near to or was followed over, best first.

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
        ranking, named, chains = await _find(graph, asked, vector)
        entities = await _score_entities(graph, ranking, named, chains)
    answer, citations = await asyncio.to_thread(
        compose_answer,
        asked,
        _within(ranking, chains, context_tokens),
        ranking.weights,
        ranking.local_similarities,
        embedder.local,
        _links(chains),
    )
    return Answer(
        answer,
        MODE,
        citations,
        entities[:top_entities] if citations else (),
        seconds=round(time.monotonic() - started, 3),
    )


async def rank_locally(
    store: SearchStore, embedder: SearchEmbedder, key: CollectionKey, question: str
) -> tuple[Passage, ...]:
    """The passages that local search answers from, best first; none without a published graph.

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
        ranking, _, chains = await _find(graph, asked, vector)
    return tuple(ranking.passages[id] for id in chains.scores)


async def _find(
    graph: GraphSnapshot, question: Question, vector: QuestionVector
) -> tuple[Ranking, tuple[EntityNode, ...], Chains]:
    """Candidates, the entities that the question names, and what chains from there lead to."""
    ranking = await rank_passages(graph, question, vector)
    named = await graph.entities_by_title(question.titles)
    chains = await follow_chains(graph, ranking, frozenset(entity.id for entity in named))
    return ranking, named, chains


async def _score_entities(
    graph: GraphSnapshot,
    ranking: Ranking,
    named: tuple[EntityNode, ...],
    chains: Chains,
) -> tuple[ScoredEntity, ...]:
    vector = ranking.vector
    scores = {entity: _named_score(entity, ranking) for entity in named}
    if any(vector.vector):
        for entity, similarity in await graph.nearest_entities(vector.model, vector.vector, 10):
            scores[entity] = max(scores.get(entity, 0.0), _SIMILAR_SHARE * similarity)
    top = max(chains.bridges.values(), default=0.0) or 1.0
    for entity, worth in chains.bridges.items():
        scores[entity] = max(scores.get(entity, 0.0), _SIMILAR_SHARE * worth / top)
    ordered = sorted(scores, key=lambda entity: (-scores[entity], entity.title, entity.id))
    return tuple(
        ScoredEntity(entity.title, entity.type, entity.description, round(scores[entity], 4))
        for entity in ordered
    )


def _named_score(entity: EntityNode, ranking: Ranking) -> float:
    """From a half to 1: the more of what the question asks for is in its name."""
    terms = count_terms(entity.title)
    return 0.5 + 0.5 * math.fsum(w for term, w in ranking.weights.items() if term in terms)


def _links(chains: Chains) -> dict[str, float]:
    top = max(chains.bridges.values(), default=0.0) or 1.0
    return {entity.title: worth / top for entity, worth in chains.bridges.items() if worth > 0}


def _within(ranking: Ranking, chains: Chains, tokens: int) -> list[tuple[Passage, float]]:
    """The best passages, as many as fit, the first one in any case."""
    best = next(iter(chains.scores.values()), 1.0) or 1.0
    taken: list[tuple[Passage, float]] = []
    for id, score in chains.scores.items():
        passage = ranking.passages[id]
        if taken and passage.n_tokens > tokens:
            break
        tokens -= passage.n_tokens
        taken.append((passage, score / best))
    return taken
