"""A body that a model is made of is held in memory whole: it must be small before it is read."""

import re
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem

MAX_BODY_BYTES = 1_000_000
_UPLOAD = re.compile(r"/v1/collections/[^/]+/documents")


class BodyLimit:
    """Refuses larger bodies, but for uploads: those are streamed, and limited where they are."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_upload(scope):
            await self._app(scope, receive, send)
            return
        try:
            body = await _read(Headers(scope=scope), receive)
        except _CutOff:
            return  # nobody is there to be answered
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
