"""A body that a model is made of is held in memory whole: it must be small before it is read."""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem

MAX_BODY_BYTES = 1_000_000


class BodyLimit:
    """Refuses larger bodies, but for multipart: those are streamed, and limited where they are."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_multipart(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        body = await _read(Headers(scope=scope), receive)
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


def _is_multipart(headers: Headers) -> bool:
    return headers.get("content-type", "").strip().lower().startswith("multipart/form-data")


async def _read(headers: Headers, receive: Receive) -> bytes | None:
    """The body; None where it is too large. Of one that is cut off, what came."""
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > MAX_BODY_BYTES:
        return None
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return body
