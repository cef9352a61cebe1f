"""An answer without a model: the best sentences of the best passages, each with its citation.

Sentences are taken one by one, each time the one that adds most (maximal marginal relevance,
Carbonell and Goldstein 1998, with coverage of the question's terms in the place of redundancy
alone): terms of the question that nothing taken covers, a link to what was taken (a rare word both
share, as "Zimbabwe" links a river to a waterfall), another document.
"""

import math
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from graphmill.extraction.characters import mask
from graphmill.extraction.sentences import sentences
from graphmill.models import Citation
from graphmill.quotations import quote
from graphmill.search.accounts import Difference, find_differences
from graphmill.search.ports import ArrayEmbedder, Passage
from graphmill.search.question import Question, count_terms

NOTHING_FOUND = "Nothing was found in this collection that answers the question."

_MAX_SENTENCES = 6
_MAX_PASSAGES = 40
_MAX_CANDIDATES = 600
_MIN_WORDS = 4

# A passage whose terms cover less of the question than this and whose meaning is farther from it
# answers nothing. Seen on questions about other matters put to the musique100 passages.
_MIN_COVERAGE = 0.25
_MIN_SIMILARITY = 0.45
# It does answer if it has half of the names asked for: they are the same in every language.
_MIN_NAMES = 0.5
# A further sentence must be worth at least this share of the first one.
_MIN_SHARE = 0.45
# Where only one document is cited, a sentence of another is added if it has this share.
_MIN_SECOND = 0.5

# What a document's title says holds for its sentences, if less surely.
_TITLE_SHARE = 0.6
# What a further sentence is worth: its own score, what it newly covers, and a link to what was
# taken (an entity that both mention), the more the more it newly covers.
_OWN = 0.5
_NEW = 0.6
_LINK = 1.0
_LINK_BASE = 0.2
_OTHER_DOCUMENT = 0.15
_FIELD = re.compile(r"\n(?=[\w.\[\]-]{1,80}: )")
# Sentences of one document that are closer than this say the same. Of another document they bear
# the first one out, unless they are (next to) copies.
_SAME = 0.92
_COPY = 0.98


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence that may be quoted. score: its worth for the question on its own, 0 to 1."""

    passage: Passage
    start: int
    text: str
    terms: frozenset[str]
    context: frozenset[str]
    score: float


def compose_answer(
    question: Question,
    passages: Sequence[tuple[Passage, float]],
    weights: Mapping[str, float],
    similarities: Mapping[UUID, float] | None,
    embedder: ArrayEmbedder,
    links: Mapping[str, float] | None = None,
) -> tuple[str, tuple[Citation, ...]]:
    """The answer's text and its citations, numbered from 1 in the order of their first mention.

    passages: with scores from 0 to 1, best first. weights: of the question's terms, adding up to
    1. similarities: of passages with the question by this embedder; None: computed here. links:
    titles of entities that connect passages, with their worth from 0 to 1. Where the passages have
    next to nothing to do with the question: NOTHING_FOUND and no citation.
    """
    passages = passages[:_MAX_PASSAGES]
    if similarities is None:
        similarities = _similarities(question, passages, embedder)
    if not _is_answerable(question, passages, weights, similarities):
        return NOTHING_FOUND, ()
    candidates, vectors = _candidates(question, passages, weights, embedder)
    if not candidates:
        return NOTHING_FOUND, ()
    chosen = _choose(candidates, vectors, weights, _linked(candidates, links or {}))
    differences = find_differences(
        [(s.passage.document_id, s.text, s.terms) for s in candidates], chosen
    )
    for difference in differences:
        if difference.other not in chosen:
            chosen.append(difference.other)
    return _write([candidates[i] for i in chosen], differences, chosen)


def _similarities(
    question: Question, passages: Sequence[tuple[Passage, float]], embedder: ArrayEmbedder
) -> dict[UUID, float]:
    texts = (passage.text for passage, _ in passages)
    asked, *vectors = embedder.embed_array([question.text, *texts])
    return {
        passage.id: float(np.dot(asked, vector))
        for (passage, _), vector in zip(passages, vectors, strict=True)
    }


def _is_answerable(
    question: Question,
    passages: Sequence[tuple[Passage, float]],
    weights: Mapping[str, float],
    similarities: Mapping[UUID, float],
) -> bool:
    for passage, _ in passages:
        terms = count_terms(f"{passage.title}\n{passage.text}")
        coverage = math.fsum(weight for term, weight in weights.items() if term in terms)
        named = len(question.names & terms.keys())
        if (
            coverage >= _MIN_COVERAGE
            or similarities.get(passage.id, 0.0) >= _MIN_SIMILARITY
            or (question.names and named >= _MIN_NAMES * len(question.names))
        ):
            return True
    return False


def _candidates(
    question: Question,
    passages: Sequence[tuple[Passage, float]],
    weights: Mapping[str, float],
    embedder: ArrayEmbedder,
) -> tuple[list[Sentence], NDArray[np.floating[Any]]]:
    found: list[tuple[Passage, float, int, str]] = []
    seen: set[str] = set()
    for passage, score in passages:
        for start, end in _spans(passage.text):
            text = quote(passage.text[start:end])
            # Overlapping text units repeat sentences; so do copies of a document.
            if text in seen or not _is_sentence(passage, start, text):
                continue
            seen.add(text)
            found.append((passage, score, start, text))
    found = found[:_MAX_CANDIDATES]
    vectors = embedder.embed_array([question.text, *(text for _, _, _, text in found)])
    # One product a row: a matrix product may sum in another order on another machine's BLAS.
    asked = vectors[0]
    candidates: list[Sentence] = []
    for (passage, score, start, text), vector in zip(found, vectors[1:], strict=True):
        terms = frozenset(count_terms(text))
        context = frozenset(count_terms(passage.title)) - terms
        similarity = max(0.0, round(float(np.dot(asked, vector)), 6))
        covered = _weight(terms, weights) + _TITLE_SHARE * _weight(context, weights)
        worth = (0.4 + 0.6 * score) * (0.5 * similarity + 0.5 * min(1.0, covered))
        candidates.append(Sentence(passage, start, text, terms, context, worth))
    return candidates, vectors[1:]


def _spans(text: str) -> list[tuple[int, int]]:
    """Sentences, and the fields of a record ("wreck_found: 2018-12-03") one by one."""
    spans: list[tuple[int, int]] = []
    for start, end in sentences(text, mask(text)):
        for field in _FIELD.finditer(text, start, end):
            spans.append((start, field.start()))
            start = field.end()
        spans.append((start, end))
    return spans


def _is_sentence(passage: Passage, start: int, text: str) -> bool:
    """Whether it can stand in an answer: no heading, no title, no scrap."""
    line = passage.text.rfind("\n", 0, start) + 1
    if passage.text[line:start].lstrip().startswith("#"):
        return False
    counts = count_terms(text)
    return (
        sum(counts.values()) >= _MIN_WORDS
        and not counts.keys() <= count_terms(passage.title).keys()
    )


def _linked(candidates: Sequence[Sentence], links: Mapping[str, float]) -> list[dict[str, float]]:
    """For each sentence the links it mentions, with their worth."""
    terms_of = [(title, frozenset(count_terms(title)), worth) for title, worth in links.items()]
    return [
        {
            title: worth
            for title, terms, worth in terms_of
            if terms and terms <= sentence.terms | sentence.context
        }
        for sentence in candidates
    ]


def _choose(
    candidates: Sequence[Sentence],
    vectors: NDArray[np.floating[Any]],
    weights: Mapping[str, float],
    linked: Sequence[Mapping[str, float]],
) -> list[int]:
    """Indexes of the sentences taken, in the order of taking."""
    chosen: list[int] = []
    covered: frozenset[str] = frozenset()
    reached: frozenset[str] = frozenset()
    documents: set[UUID] = set()
    first = 0.0
    while len(chosen) < _MAX_SENTENCES:
        best: tuple[float, int] | None = None
        for i, sentence in enumerate(candidates):
            if i in chosen or any(_repeats(candidates, vectors, i, j) for j in chosen):
                continue
            worth = sentence.score
            if chosen:
                new = _weight(sentence.terms - covered, weights)
                new += _TITLE_SHARE * _weight(sentence.context - covered, weights)
                link = max((w for title, w in linked[i].items() if title in reached), default=0.0)
                worth = _OWN * worth + _NEW * new + _LINK * link * (_LINK_BASE + new)
                if sentence.passage.document_id not in documents:
                    worth += _OTHER_DOCUMENT * sentence.score
            if best is None or worth > best[0] + 1e-9:
                best = (worth, i)
        if best is None or (chosen and best[0] < _MIN_SHARE * first):
            break
        worth, i = best
        first = first or worth
        chosen.append(i)
        documents.add(candidates[i].passage.document_id)
        covered = covered.union(candidates[i].terms, candidates[i].context)
        reached = reached.union(linked[i])
    if len(documents) == 1:
        chosen += _second_document(candidates, vectors, chosen)
    return chosen


def _second_document(
    candidates: Sequence[Sentence], vectors: NDArray[np.floating[Any]], chosen: Sequence[int]
) -> list[int]:
    """The best sentence of another document that bears out, or adds to, what one document says."""
    first = candidates[chosen[0]]
    others = [
        i
        for i, sentence in enumerate(candidates)
        if sentence.passage.document_id != first.passage.document_id
        and sentence.score >= _MIN_SECOND * first.score
        and not any(_repeats(candidates, vectors, i, j) for j in chosen)
    ]
    return [max(others, key=lambda i: (candidates[i].score, -i))] if others else []


def _repeats(
    candidates: Sequence[Sentence], vectors: NDArray[np.floating[Any]], one: int, other: int
) -> bool:
    same = candidates[one].passage.document_id == candidates[other].passage.document_id
    return float(np.dot(vectors[one], vectors[other])) > (_SAME if same else _COPY)


def _weight(terms: Set[str], weights: Mapping[str, float]) -> float:
    # In the order of the question's terms: a sum over a set would differ in its last digit.
    return math.fsum(weight for term, weight in weights.items() if term in terms)


def _write(
    quoted: Sequence[Sentence], differences: Sequence[Difference], chosen: Sequence[int]
) -> tuple[str, tuple[Citation, ...]]:
    numbers: dict[UUID, int] = {}
    for sentence in quoted:
        numbers.setdefault(sentence.passage.id, len(numbers) + 1)
    lines = [f"{s.text} [{numbers[s.passage.id]}]" for s in quoted]
    for difference in differences:
        one = numbers[quoted[chosen.index(difference.one)].passage.id]
        other = numbers[quoted[chosen.index(difference.other)].passage.id]
        if difference.values is None:
            lines.append(f"These accounts differ: one says no to the other [{one}] [{other}].")
        else:
            mine, theirs = difference.values
            lines.append(f"These accounts differ: {mine} [{one}], {theirs} [{other}].")
    citations: list[Citation] = []
    for id, number in numbers.items():
        cited = sorted(
            (s for s in quoted if s.passage.id == id), key=lambda sentence: sentence.start
        )
        passage = cited[0].passage
        citations.append(
            Citation(
                number=number,
                document_id=passage.document_id,
                title=passage.title or passage.document_name,
                text_unit_id=id,
                text=" … ".join(s.text for s in cited),
                page=passage.first_page,
            )
        )
    return "\n".join(lines), tuple(citations)
