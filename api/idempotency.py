"""Requests that may be sent again: with an Idempotency-Key they are done once."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from api.requests import Application, Indexer
from graphmill.application.graphmill import Graphmill

A = TypeVar("A", bound=BaseModel)

_Key = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="Chosen by the sender, such as a UUID: the same request with the same key gets"
        " the first one's answer for a day, and does nothing more.",
    ),
]


class Once:
    def __init__(
        self,
        request: Request,
        response: Response,
        app: Graphmill,
        tenant: str,
        key: str | None,
    ) -> None:
        self._route = f"{request.method} {request.url.path}"
        self._response = response
        self._app = app
        self._tenant = tenant
        self._key = key

    async def answer(
        self, asked: bytes, kind: type[A], do: Callable[[UUID | None], Awaitable[A]]
    ) -> A:
        """What `do` answers, or did when this came before. It is given the claim of whoever came
        first with the key, by which it finds what was done already; None where there is no key.

        Raises:
            KeyUsedBefore: something else came with this key.
        """
        if self._key is None:
            return await do(None)

        async def body(claim: UUID) -> bytes:
            return (await do(claim)).model_dump_json().encode()

        digest = hashlib.sha256(f"{self._route}\n".encode() + asked).digest()
        given, before = await self._app.idempotency.once(self._tenant, self._key, digest, body)
        if before:
            self._response.headers["Idempotency-Replayed"] = "true"
        return kind.model_validate_json(given)


# Not the class itself: it would be made in a thread.
async def _once(
    request: Request,
    response: Response,
    app: Application,
    tenant: Indexer,
    idempotency_key: _Key = None,
) -> Once:
    return Once(request, response, app, tenant, idempotency_key)


OnlyOnce = Annotated[Once, Depends(_once)]
