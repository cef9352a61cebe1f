"""Questions to a collection."""

from collections.abc import Awaitable, Callable, Mapping

from graphmill.application.outages import tells_outages
from graphmill.errors import InvalidRequest
from graphmill.models import Answer, CollectionKey

MODES = ("local", "basic")
LATER_MODES = ("global", "drift")
MAX_QUESTION_CHARACTERS = 10_000

SearchFunction = Callable[[CollectionKey, str], Awaitable[Answer]]


class Search:
    """`functions` answers a question in each of MODES."""

    def __init__(self, functions: Mapping[str, SearchFunction]) -> None:
        self._functions = functions

    @tells_outages
    async def query(self, key: CollectionKey, question: str, mode: str) -> Answer:
        """An answer with citations from the collection's published graph.

        Raises:
            InvalidRequest: the question is empty or too long, or this release lacks the mode.
            NotFound: there is no such collection, or nothing of it has been indexed yet.
        """
        if not question.strip():
            raise InvalidRequest("the question is empty")
        if len(question) > MAX_QUESTION_CHARACTERS:
            raise InvalidRequest(
                f"the question has {len(question):,} characters; at most"
                f" {MAX_QUESTION_CHARACTERS:,} are read"
            )
        if mode in LATER_MODES:
            raise LaterRelease(
                f"{mode} search comes with a later release; this one has {' and '.join(MODES)}"
            )
        if mode not in self._functions:
            raise InvalidRequest(f"mode is {mode!r}; expected is one of {', '.join(MODES)}")
        return await self._functions[mode](key, question)


class LaterRelease(InvalidRequest):
    """It is named in the documentation, and this release does not have it yet."""
