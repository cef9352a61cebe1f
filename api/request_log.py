"""A line of the log for each request, with its ids: what was asked for, what was answered, and how
long that took."""

import logging
import time
from http import HTTPMethod

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_logger = logging.getLogger(__name__)

# Asked every few seconds, by what watches.
_WATCHED = ("/health", "/metrics")
_METHODS = frozenset(HTTPMethod)


class RequestLog:
    """Inside of RequestIds. It tells the route and not the address: that may hold words of a
    document, and whatever else somebody thinks of."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        begun = time.monotonic()
        try:
            await self._app(scope, receive, send_and_note)
        except Exception:
            status = status or 500  # which is what whoever catches it answers
            raise
        finally:
            route = getattr(scope.get("route"), "path_format", "")
            _logger.log(
                _level(route, status),
                "%s: %s in %.3f s",
                f"{_method(scope['method'])} {route}" if route else "no such route",
                status or "not answered",
                time.monotonic() - begun,
            )


def _method(sent: str) -> str:
    return sent if sent in _METHODS else "(no such method)"


def _level(route: str, status: int) -> int:
    if status >= 500:
        return logging.WARNING
    return logging.DEBUG if route.startswith(_WATCHED) else logging.INFO
