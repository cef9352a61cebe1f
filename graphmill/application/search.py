"""Questions to a collection."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from graphmill.application.outages import tells_outages
from graphmill.errors import InvalidRequest
from graphmill.models import Answer, CollectionKey

if TYPE_CHECKING:  # not to be loaded by every command: numpy
    from graphmill.search.ports import Passage

MODES = ("local", "basic")


@dataclass(frozen=True, slots=True)
class SearchMode:
    """How a mode answers a question, and which passages it answers from, best first."""

    answer: Callable[[CollectionKey, str], Awaitable[Answer]]
    rank: Callable[[CollectionKey, str], Awaitable["tuple[Passage, ...]"]]


class Search:
    """`load` gives what is in MODES; it is called once, at the first question."""

    def __init__(self, load: Callable[[], Mapping[str, SearchMode]]) -> None:
        self._load = cache(load)

    @tells_outages
    async def query(self, key: CollectionKey, question: str, mode: str) -> Answer:
        """An answer with citations from the collection's published graph.

        Raises:
            InvalidRequest: the question is empty or too long, or this release has no such mode.
            NotFound: there is no such collection.
        """
        return await self._mode(mode).answer(key, question)

    @tells_outages
    async def rank(self, key: CollectionKey, question: str, mode: str) -> "tuple[Passage, ...]":
        """The passages that an answer would be made from, best first. Raises as `query` does."""
        return await self._mode(mode).rank(key, question)

    def _mode(self, mode: str) -> SearchMode:
        if mode not in MODES:
            raise InvalidRequest(f"mode is {mode!r}; this release has {' and '.join(MODES)}")
        return self._load()[mode]


def answer_to_json(answer: Answer) -> dict[str, Any]:
    """The keys that scripts rely on; `entities` is empty where the mode looks at none."""
    return {
        "answer": answer.answer,
        "mode": answer.mode,
        "citations": [
            {
                "number": citation.number,
                "document_id": str(citation.document_id),
                "title": citation.title,
                "text_unit_id": str(citation.text_unit_id),
                "text": citation.text,
                "page": citation.page,
            }
            for citation in answer.citations
        ],
        "entities": [
            {
                "title": entity.title,
                "type": entity.type,
                "description": entity.description,
                "score": entity.score,
            }
            for entity in answer.entities
        ],
        "seconds": answer.seconds,
    }
