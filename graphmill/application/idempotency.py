"""What came already, and what was answered."""

import logging
from collections.abc import Awaitable, Callable

from graphmill.application.outages import tells_outages
from graphmill.errors import InvalidRequest, TransientError
from graphmill.stores.postgres.idempotency import GivenAnswer, PostgresIdempotency

_log = logging.getLogger(__name__)


class KeyUsedBefore(InvalidRequest):
    """An Idempotency-Key came before with another request."""


class Idempotency:
    """What is done here may be done twice at once and comes to the same; so answers are kept when
    they are there, and nobody waits for another who may have died."""

    def __init__(self, answers: PostgresIdempotency) -> None:
        self._answers = answers

    async def once(
        self, tenant: str, key: str, request: bytes, do: Callable[[], Awaitable[bytes]]
    ) -> tuple[bytes, bool]:
        """The answer to a request, and whether it was given before. Errors are not kept.

        Raises:
            KeyUsedBefore: another request had this key within a day.
        """
        given = await self._find(tenant, key)
        if given is not None:
            return _same(given, request), True
        answer = GivenAnswer(request, await do())
        try:
            given = await self._keep(tenant, key, answer)
        except TransientError as error:
            # It is done: to say that it is not would have it done again.
            _log.warning("an answer could not be kept for its Idempotency-Key: %s", error)
            given = answer
        return _same(given, request), False

    @tells_outages
    async def _find(self, tenant: str, key: str) -> GivenAnswer | None:
        return await self._answers.find(tenant, key)

    @tells_outages
    async def _keep(self, tenant: str, key: str, answer: GivenAnswer) -> GivenAnswer:
        return await self._answers.keep(tenant, key, answer)


def _same(given: GivenAnswer, request: bytes) -> bytes:
    if given.request != request:
        raise KeyUsedBefore(
            "this Idempotency-Key came with another request within a day; a new request has a new"
            " one"
        )
    return given.body
