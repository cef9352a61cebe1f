"""Passages ranked by meaning and by words: cosine similarity and BM25, added.

Source of BM25: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond"
(2009), with k1 1.2 and b 0.75. A weighted sum of the two scores did better here than reciprocal
rank fusion (docs/decisions/extractive-answers.md).
"""

import math
from collections.abc import Iterable
from uuid import UUID

from graphmill.search.embedder import QuestionVector
from graphmill.search.ports import GraphSnapshot, Passage, WordMatches
from graphmill.search.question import Question, count_terms

# How many text units each of the two ways brings in.
CANDIDATES = 60
# For so many text units, the best by words, it is known which words they hold.
_MATCHES = 2_000
_SIMILARITY_WEIGHT = 2.0
_K1 = 1.2
_B = 0.75


class Ranking:
    """The candidates for a question: what they say and how well they match.

    passages, similarities: by text unit id. weights: how much each of the question's terms tells
    passages apart; they add up to 1, or there are none.
    """

    def __init__(
        self,
        graph: GraphSnapshot,
        question: Question,
        vector: QuestionVector,
        matches: WordMatches,
    ) -> None:
        self._graph = graph
        self.vector = vector
        self._counts: dict[UUID, dict[str, int]] = {}
        self._idf = {
            term: math.log(1 + (matches.total - n + 0.5) / (n + 0.5))
            for term, n in zip(question.terms, matches.frequencies, strict=True)
        }
        total = math.fsum(self._idf.values()) or 1.0
        self.question = question
        self.matches = matches
        self.passages: dict[UUID, Passage] = {}
        self.similarities: dict[UUID, float] = {}
        self.weights = {term: value / total for term, value in self._idf.items()}

    async def add(self, text_unit_ids: Iterable[UUID]) -> None:
        """Read those text units and take them in as candidates."""
        wanted = [id for id in dict.fromkeys(text_unit_ids) if id not in self.passages]
        if not wanted:
            return
        passages = await self._graph.passages(wanted)
        for id, passage in passages.items():
            self.passages[id] = passage
            self._counts[id] = count_terms(f"{passage.title}\n{passage.text}")
        if any(self.vector.vector):
            self.similarities |= await self._graph.similarities(
                self.vector.model, self.vector.vector, list(passages)
            )

    @property
    def local_similarities(self) -> dict[UUID, float] | None:
        """None where the graph is embedded by another model, whose cosines mean something else."""
        return self.similarities if self.vector.local else None

    def scores(self) -> dict[UUID, float]:
        """0 to 1 (the best candidate has 1), best first, ties by id."""
        by_words = self._bm25()
        best = max(by_words.values(), default=0.0) or 1.0
        raw = {
            id: by_words[id] / best + _SIMILARITY_WEIGHT * max(0.0, self.similarities.get(id, 0.0))
            for id in self.passages
        }
        top = max(raw.values(), default=0.0) or 1.0
        return {id: raw[id] / top for id in sorted(raw, key=lambda id: (-raw[id], id))}

    def _bm25(self) -> dict[UUID, float]:
        lengths = {id: sum(counts.values()) for id, counts in self._counts.items()}
        mean = sum(lengths.values()) / len(lengths) if lengths else 0.0
        scores: dict[UUID, float] = {}
        for id, counts in self._counts.items():
            damping = _K1 * (1 - _B + _B * lengths[id] / (mean or 1.0))
            scores[id] = math.fsum(
                idf * counts[term] * (_K1 + 1) / (counts[term] + damping)
                for term, idf in self._idf.items()
                if term in counts
            )
        return scores


async def rank_passages(
    graph: GraphSnapshot, question: Question, vector: QuestionVector
) -> Ranking:
    """The best candidates by words and by vectors."""
    matches = await graph.match_words(question.words, _MATCHES)
    ranking = Ranking(graph, question, vector, matches)
    if any(vector.vector):
        await ranking.add(await graph.nearest_text_units(vector.model, vector.vector, CANDIDATES))
    await ranking.add(list(matches.words_of)[:CANDIDATES])
    return ranking
