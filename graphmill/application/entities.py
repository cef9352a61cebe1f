"""Which titles mean one thing: what was decided, and what people say instead."""

from collections.abc import AsyncIterator

from graphmill.application.outages import tells_outages
from graphmill.errors import InvalidRequest, NotFound
from graphmill.models import CollectionKey, Method
from graphmill.standard.cleaning import one_line, to_title
from graphmill.standard.decisions import Decision, Step
from graphmill.stores.postgres.status import PostgresRunStatus
from graphmill.stores.postgres.verdicts import PostgresVerdicts

MAX_REASON = 500

_PAGE = 1000


class Entities:
    def __init__(self, verdicts: PostgresVerdicts, status: PostgresRunStatus) -> None:
        self._verdicts = verdicts
        self._status = status

    @tells_outages
    async def decisions(
        self,
        key: CollectionKey,
        after: tuple[str, str] = ("", ""),
        limit: int = _PAGE,
        step: Step | None = None,
    ) -> tuple[Decision, ...]:
        """What was decided of pairs of titles in the published graph, ascending, those after a
        pair; `step`: only by this one.

        Raises:
            NotFound: there is no such collection.
        """
        return await self._verdicts.decisions(key, after, limit, step)

    async def all_decisions(
        self, key: CollectionKey, step: Step | None = None
    ) -> AsyncIterator[Decision]:
        """Every decision, page after page. Raises as `decisions` does."""
        page = await self.decisions(key, step=step)
        while page:
            for decision in page:
                yield decision
            page = await self.decisions(key, (page[-1].title, page[-1].other), step=step)

    @tells_outages
    async def decide(
        self, key: CollectionKey, title: str, other: str, *, same: bool, reason: str = ""
    ) -> Decision:
        """Keep what a person says of two titles: it goes over all that is decided otherwise, from
        the next graph on. The caller starts the run that makes it.

        Raises:
            InvalidRequest: the titles are one, or none; the collection is read by method fast.
            NotFound: there is no such collection, or its graph has no such title.
        """
        pair = _pair(title, other)
        if unknown := await self._verdicts.unknown_titles(key, *pair):
            raise NotFound(
                f"collection {key.name!r} has no entity {unknown[0]!r}; titles are spelt as in the"
                " answers of `graphmill query` and in exports"
            )
        if await self._status.last_method(key) is not Method.STANDARD:
            raise InvalidRequest(
                f"collection {key.name!r} is read by method fast, where a title is an entity;"
                " titles are resolved by method standard"
            )
        verdict = Decision(*pair, same, Step.PERSON, one_line(reason, MAX_REASON) or "so decided")
        await self._verdicts.save(key, verdict)
        return verdict

    @tells_outages
    async def undecide(self, key: CollectionKey, title: str, other: str) -> tuple[str, str]:
        """Forget what a person said of two titles; they are returned as they are spelt. The caller
        starts a run.

        Raises:
            InvalidRequest: the titles are one, or none.
            NotFound: nobody said anything of them.
        """
        pair = _pair(title, other)
        await self._verdicts.remove(key, *pair)
        return pair


def _pair(title: str, other: str) -> tuple[str, str]:
    """As they are stored: the smaller first."""
    one, another = sorted((to_title(title), to_title(other)))
    if not one:
        raise InvalidRequest("a title is empty; expected are the titles of two entities")
    if one == another:
        raise InvalidRequest(f"both titles are {one!r}; expected are those of two entities")
    return one, another
