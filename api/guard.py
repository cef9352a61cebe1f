"""On loopback without keys, browsers are the way in for others: pages must not reach the API.

A page can send requests to 127.0.0.1 with the reader's browser: under its own name that points here
(DNS rebinding: the Host header gives it away) or across origins (the Origin header does).
"""

from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import problem

_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")


class LoopbackGuard:
    """Refuses requests whose Host is no name of loopback, and those that another origin sends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            refusal = _refusal(headers.getlist("host"), headers.getlist("origin"))
            if refusal is not None:
                await problem(HTTPStatus.FORBIDDEN, refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _refusal(hosts: list[str], origins: list[str]) -> str | None:
    if len(hosts) != 1 or _name(f"//{hosts[0]}") not in _LOOPBACK_NAMES:
        return "this API serves this machine alone: ask it as 127.0.0.1 or localhost"
    # Browsers name the page's origin in all requests but plain reads of their own origin.
    if origins and origins != [f"http://{hosts[0]}"]:
        return "this API does not serve pages of other origins"
    return None


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
