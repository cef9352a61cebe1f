"""What search reads: one published graph, as it stood when the question came."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from graphmill.models import CollectionKey


@dataclass(frozen=True, slots=True)
class Passage:
    """A text unit with what a citation says of its document."""

    id: UUID
    document_id: UUID
    document_name: str
    title: str
    position: int
    text: str
    n_tokens: int
    first_page: int | None
    last_page: int | None


@dataclass(frozen=True, slots=True)
class EntityNode:
    """An entity of the graph and the text units that mention it."""

    id: UUID
    title: str
    type: str
    description: str
    frequency: int
    text_unit_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class WordMatches:
    """Which text units hold which of the words that were asked for.

    total: text units of the graph. frequencies[i]: how many of them hold word i. words_of: the best
    text units first (by the sum of their words' inverse document frequencies, then id), each with
    the indexes of its words.
    """

    total: int
    frequencies: tuple[int, ...]
    words_of: dict[UUID, frozenset[int]]


@dataclass(frozen=True, slots=True)
class RelationshipEdge:
    """A relationship of the graph. source and target: titles."""

    id: UUID
    source: str
    target: str
    description: str
    weight: float
    text_unit_ids: tuple[UUID, ...]


class OtherGraph(Exception):
    """A store that holds graphs too holds another one by now, or is being written."""


class GraphStore(Protocol):
    """Reads of the entities and relationships of one published graph.

    Raises:
        OtherGraph: the store does not hold it any more.
        Unavailable: the store does not answer.
    """

    async def entities_by_title(self, titles: Sequence[str]) -> tuple[EntityNode, ...]:
        """By title."""
        ...

    async def mentioned_entities(
        self, text_unit_ids: Sequence[UUID], max_frequency: int
    ) -> tuple[EntityNode, ...]:
        """Entities of those text units that other text units mention too, max_frequency at most; by
        id."""
        ...

    async def relationships_of(
        self, titles: Sequence[str], limit: int
    ) -> tuple[RelationshipEdge, ...]:
        """Relationships of any of these entities, the heaviest first, then by id."""
        ...


class VectorStore(Protocol):
    """The vectors of one published graph, by the model that its questions are embedded by: tenant,
    collection, graph and model are settled when it is opened, and nothing that is asked of it leads
    beyond them. A vector index is one of graphmill.messages.VECTOR_INDEXES; ids are of what was
    embedded. Similarities are cosines; to a vector of zeros (of a text without tokens) nothing has
    any.

    Raises:
        OtherGraph: the store does not hold it any more.
        Unavailable: the store does not answer.
    """

    async def nearest(
        self, vector_index: str, vector: Sequence[float], limit: int
    ) -> dict[UUID, float]:
        """Id to similarity, nearest first, ties by id."""
        ...

    async def similarities(
        self, vector_index: str, vector: Sequence[float], ids: Sequence[UUID]
    ) -> dict[UUID, float]:
        """Of those that the graph has a vector of; in the same order."""
        ...


class GraphSnapshot(GraphStore, Protocol):
    """Reads of one published graph, all within one transaction. Ties are broken by id."""

    @property
    def embedding_model(self) -> str:
        """As SearchStore.embedding_model."""
        ...

    async def match_words(self, words: Sequence[str], limit: int) -> WordMatches:
        """Text units that hold any of the words (stemmed), `limit` at most."""
        ...

    async def nearest_text_units(
        self, model: str, vector: Sequence[float], limit: int
    ) -> dict[UUID, float]:
        """Text unit id to cosine similarity, nearest first."""
        ...

    async def similarities(
        self, model: str, vector: Sequence[float], text_unit_ids: Sequence[UUID]
    ) -> dict[UUID, float]:
        """Cosine similarity of those of the text units that have a vector."""
        ...

    async def passages(self, text_unit_ids: Sequence[UUID]) -> dict[UUID, Passage]: ...

    async def nearest_entities(
        self, model: str, vector: Sequence[float], limit: int
    ) -> tuple[tuple[EntityNode, float], ...]:
        """Entities with the cosine similarity of their descriptions, nearest first."""
        ...


class SearchStore(Protocol):
    async def embedding_model(self, key: CollectionKey) -> str:
        """The model of an endpoint that the published graph's vectors are by; "": the local one, or
        nothing has been published yet.

        Raises:
            NotFound: there is no such collection.
        """
        ...

    def snapshot(self, key: CollectionKey) -> AbstractAsyncContextManager[GraphSnapshot | None]:
        """The published graph; None where nothing has been published yet. Raises as above."""
        ...


class ArrayEmbedder(Protocol):
    """An embedder that gives arrays: search multiplies them. LocalEmbedder is one."""

    @property
    def model(self) -> str: ...

    def embed_array(self, texts: Sequence[str]) -> NDArray[np.floating[Any]]: ...


class QuestionVectors(Protocol):
    async def __call__(self, key: CollectionKey, model: str, question: str) -> Sequence[float]:
        """The vector of a question by the model of an endpoint.

        Raises:
            SettingsError: it cannot be asked here.
            Unavailable: it does not answer now.
        """
        ...
