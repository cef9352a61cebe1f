"""Passages that a question reaches over the graph: multi-hop search.

"Which waterfall is in the country where the Bubye River is found?" matches the passage on the
river, and that one names Zimbabwe. A chain goes from a passage that matches over an entity both
mention to another passage; it is worth more the better the first one matches, the rarer the entity
is, and the more the second one says of what the question asks and the first does not say. Nearest
in spirit to HippoRAG (Gutierrez et al. 2024), whose personalized PageRank did less well with a
graph made without a model (docs/decisions/extractive-answers.md).
"""

import math
from dataclasses import dataclass
from uuid import UUID

from graphmill.search.ports import EntityNode, GraphSnapshot
from graphmill.search.ranking import Ranking

_HOPS = 2
# Chains go out from so many of the best passages.
_FRONT = 10
# What more text units than this mention connects nothing in particular.
_MAX_FREQUENCY = 50
# So many of the passages that chains reach become candidates, each hop.
_REACHED = 50
# What a chain is worth where the second passage says nothing new of the question.
_CONNECTION = 0.3


@dataclass(frozen=True, slots=True)
class Chains:
    """scores: of passages, best first, ties by id. bridges: entities that chains went over, with
    the best score each gave to a passage."""

    scores: dict[UUID, float]
    bridges: dict[EntityNode, float]


async def follow_chains(graph: GraphSnapshot, ranking: Ranking, named: frozenset[UUID]) -> Chains:
    """Follow chains from the ranking's best passages, and take in as candidates what they reach.

    named: ids of entities that the question names. Passages that mention them match it already.
    """
    scores = ranking.scores()
    bridges: dict[EntityNode, float] = {}
    for _ in range(_HOPS):
        front = list(scores)[:_FRONT]
        if not front:
            break
        top = scores[front[0]] or 1.0  # of a question that is like nothing here
        reached: dict[UUID, float] = {}
        for entity in await graph.mentioned_entities(front, _MAX_FREQUENCY):
            if entity.id in named:
                continue
            mentions = set(entity.text_unit_ids)
            best = 0.0
            for start in front:
                if start not in mentions:
                    continue
                strength = (scores[start] / top) ** 2 * _rarity(entity, ranking)
                for end in entity.text_unit_ids:
                    if end == start:
                        continue
                    worth = strength * (_CONNECTION + _news(ranking, start, end))
                    reached[end] = max(reached.get(end, 0.0), worth)
                    best = max(best, worth)
            bridges[entity] = max(bridges.get(entity, 0.0), best)
        await ranking.add(sorted(reached, key=lambda id: (-reached[id], id))[:_REACHED])
        sums = {id: score + reached.get(id, 0.0) for id, score in ranking.scores().items()}
        scores = {id: sums[id] for id in sorted(sums, key=lambda id: (-sums[id], id))}
    return Chains(scores, bridges)


def _rarity(entity: EntityNode, ranking: Ranking) -> float:
    """1 for an entity of two text units, less for more."""
    total = max(2, ranking.matches.total)
    return math.log(1 + total / max(2, entity.frequency)) / math.log(1 + total / 2)


def _news(ranking: Ranking, start: UUID, end: UUID) -> float:
    """The weight of the question's terms that `end` holds and `start` does not."""
    held = ranking.matches.words_of.get(start, frozenset())
    terms = ranking.question.terms
    new = ranking.matches.words_of.get(end, frozenset()) - held
    return math.fsum(ranking.weights[terms[i]] for i in sorted(new))
