"""What came already, and what was answered."""

import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

from graphmill.application.outages import tells_outages
from graphmill.errors import InvalidRequest, PermanentError, TransientError
from graphmill.stores.postgres.idempotency import GivenAnswer, PostgresIdempotency

_log = logging.getLogger(__name__)


class KeyUsedBefore(InvalidRequest):
    """An Idempotency-Key came before with another request."""


class Idempotency:
    """A key belongs to the request that came first with it, from its first moment on. The same one
    may be done twice at once, which has to come to the same; so nobody waits for another who may
    have died. What is done for both has one claim, by which whoever does it again finds what came
    of the first.

    `answers` are the tenant's who asks, `all_answers` everybody's.
    """

    def __init__(self, answers: PostgresIdempotency, all_answers: PostgresIdempotency) -> None:
        self._answers = answers
        self._all_answers = all_answers

    async def once(
        self, tenant: str, key: str, request: bytes, do: Callable[[UUID], Awaitable[bytes]]
    ) -> tuple[bytes, bool]:
        """The answer to a request, and whether it was given before. `do` is given its claim. Errors
        are not kept.

        Raises:
            KeyUsedBefore: another request had this key within a day.
        """
        begun = await self._begin(tenant, key, request)
        _check_same(begun, request)
        if begun.body is not None:
            return begun.body, True
        try:
            body = await do(begun.claim)
        except PermanentError:
            # After anything else it may be done all the same: the key stays with it. And what came
            # first may be under way where this came again.
            if begun.first:
                await self._give_up(tenant, key, begun.claim)
            raise
        try:
            kept = await self._keep(tenant, key, request, body, begun.claim)
        except TransientError as error:
            # It is done: to say that it is not would have it done again.
            _log.warning("an answer could not be kept for its Idempotency-Key: %s", error)
            return body, False
        # The key is another's where ours failed for somebody else, who gave it up, meanwhile.
        return (kept.body or body) if kept.request == request else body, False

    @tells_outages
    async def forget_old(self) -> None:
        """Answers that nobody gets any more, of all tenants."""
        await self._all_answers.forget_old()

    @tells_outages
    async def _begin(self, tenant: str, key: str, request: bytes) -> GivenAnswer:
        return await self._answers.begin(tenant, key, request)

    @tells_outages
    async def _keep(
        self, tenant: str, key: str, request: bytes, body: bytes, claim: UUID
    ) -> GivenAnswer:
        return await self._answers.keep(tenant, key, request, body, claim)

    async def _give_up(self, tenant: str, key: str, claim: UUID) -> None:
        try:
            await self._give_up_key(tenant, key, claim)
        except TransientError as error:
            # The same request may still come again; another with this key is refused for a day.
            _log.warning("an Idempotency-Key could not be given up: %s", error)

    @tells_outages
    async def _give_up_key(self, tenant: str, key: str, claim: UUID) -> None:
        await self._answers.give_up(tenant, key, claim)


def _check_same(given: GivenAnswer, request: bytes) -> None:
    if given.request != request:
        raise KeyUsedBefore(
            "this Idempotency-Key came with another request within a day; a new request has a new"
            " one"
        )
