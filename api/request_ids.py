"""Each request has an id: its sender's or a new one. The answer has it, and the log."""

import re
import secrets
from contextvars import ContextVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphmill.telemetry.spans import add_to_current
from graphmill.telemetry.subjects import about

HEADER = "X-Request-ID"
# What is safe in a header, a log line and a problem document.
_GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")

_current: ContextVar[str] = ContextVar("request_id", default="")


def request_id() -> str:
    """Of the request that is answered now; "": none is."""
    return _current.get()


class RequestIds:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        id = given if _GIVEN.fullmatch(given) else secrets.token_hex(8)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = id
            await send(message)

        # For whoever answers when this is left already.
        scope.setdefault("state", {})["request_id"] = id
        token = _current.set(id)
        try:
            # The request's own span is open already.
            add_to_current({"graphmill.request_id": id})
            with about(request_id=id):
                await self._app(scope, receive, send_with_id)
        finally:
            _current.reset(token)
