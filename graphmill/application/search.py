"""Questions to a collection."""

from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any

from graphmill.application.outages import tells_outages
from graphmill.errors import InvalidRequest
from graphmill.models import Answer, CollectionKey

MODES = ("local", "basic")
_LATER_MODES = ("global", "drift")

SearchFunction = Callable[[CollectionKey, str], Awaitable[Answer]]


class LaterRelease(InvalidRequest):
    """It is named in the documentation, and this release does not have it yet."""


class Search:
    """`load` gives a function for each of MODES; it is called once, at the first question."""

    def __init__(self, load: Callable[[], Mapping[str, SearchFunction]]) -> None:
        self._load = cache(load)

    @tells_outages
    async def query(self, key: CollectionKey, question: str, mode: str) -> Answer:
        """An answer with citations from the collection's published graph.

        Raises:
            InvalidRequest: the question is empty or too long, or there is no such mode.
            LaterRelease: this release lacks the mode.
            NotFound: there is no such collection.
        """
        if mode in _LATER_MODES:
            raise LaterRelease(
                f"{mode} search comes with a later release; this one has {' and '.join(MODES)}"
            )
        if mode not in MODES:
            raise InvalidRequest(f"mode is {mode!r}; expected is {' or '.join(MODES)}")
        return await self._load()[mode](key, question)


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
