"""A body that a model is made of is held in memory whole: it must be small before it is read. And
it must come: before it has, nobody is asked for a key."""

import asyncio
import re
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import HEADERS, BodyTooSlow, problem

MAX_BODY_BYTES = 1_000_000
_UPLOAD = re.compile(r"/v1/collections/[^/]+/documents")


class BodyLimit:
    """Refuses larger bodies, but for uploads: those are streamed, and limited where they are. Each
    part of those has `seconds` to come, and other bodies as long for all of them."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _is_upload(scope):
            await self._app(scope, self._hurried(receive), send)
            return
        try:
            async with asyncio.timeout(self._seconds):
                body = await _read(Headers(scope=scope), receive)
        except _CutOff:
            return  # nobody is there to be answered
        except TimeoutError:
            await problem(
                HTTPStatus.REQUEST_TIMEOUT,
                self._too_slow,
                headers=HEADERS[HTTPStatus.REQUEST_TIMEOUT],
            )(scope, receive, send)
            return
        if body is None:
            await problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"a body that is not multipart/form-data has at most {MAX_BODY_BYTES:,} bytes",
            )(scope, receive, send)
            return
        replayed = False

        async def replay() -> Message:
            nonlocal replayed
            if replayed:
                return await receive()
            replayed = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)

    @property
    def _too_slow(self) -> str:
        return (
            f"the body did not come within {self._seconds:g} s (GRAPHMILL_API_BODY_SECONDS; of an"
            " upload, the next part of it)"
        )

    def _hurried(self, receive: Receive) -> Receive:
        more = True

        async def hurry() -> Message:
            """
            Raises:
                BodyTooSlow: the next part of the body does not come.
            """
            nonlocal more
            if not more:  # what comes then is that the connection has ended
                return await receive()
            try:
                async with asyncio.timeout(self._seconds):
                    message = await receive()
            except TimeoutError:
                raise BodyTooSlow(self._too_slow) from None
            more = message["type"] == "http.request" and message.get("more_body", False)
            return message

        return hurry


class _CutOff(Exception):
    """The connection ended before the body: what came of it may be another request."""


def _is_upload(scope: Scope) -> bool:
    """By its route too: others would take a multipart body into memory, before they ask for a
    key."""
    kind = Headers(scope=scope).get("content-type", "").strip().lower()
    return (
        scope["method"] == "POST"
        and _UPLOAD.fullmatch(scope["path"]) is not None
        and kind.startswith("multipart/form-data")
    )


async def _read(headers: Headers, receive: Receive) -> bytes | None:
    """The body; None where it is too large.

    Raises:
        _CutOff: it did not come whole.
    """
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > MAX_BODY_BYTES:
        return None
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _CutOff
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return body
