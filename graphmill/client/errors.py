"""What a client raises: graphmill's own errors, by what the API says went wrong.

`GraphmillError` is the base of all. `InvalidRequest`, `InvalidKey`, `NotAllowed`, `NotFound` and
`Conflict` are permanent; `Unavailable` may pass, and was tried again before it was raised.
"""

import json
from http import HTTPStatus

import httpx

from graphmill.api_keys import InvalidKey, NotAllowed
from graphmill.errors import (
    GraphmillError,
    InvalidRequest,
    NotFound,
    PermanentError,
    Unavailable,
)
from graphmill.http_address import EXAMPLE


class Conflict(PermanentError):
    """It cannot be done as things stand: the run has ended, or another one is under way."""


_ERRORS: dict[int, type[GraphmillError]] = {
    HTTPStatus.BAD_REQUEST: InvalidRequest,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: InvalidRequest,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: InvalidRequest,
    HTTPStatus.UNPROCESSABLE_ENTITY: InvalidRequest,
    HTTPStatus.UNAUTHORIZED: InvalidKey,
    HTTPStatus.FORBIDDEN: NotAllowed,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.TOO_MANY_REQUESTS: Unavailable,
    HTTPStatus.BAD_GATEWAY: Unavailable,
    HTTPStatus.SERVICE_UNAVAILABLE: Unavailable,
    HTTPStatus.GATEWAY_TIMEOUT: Unavailable,
}
_MOST_CHARACTERS = 1000
_NO_SUCH_ROUTE = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
# How the API answers what none of its routes is, in this and earlier releases.
_UNKNOWN_ROUTE = ("there is no such route", "Not Found")
_KEY_MAKER = "graphmill keys create"


def error_of_problem(document: str) -> GraphmillError:
    """What a problem document says, where it came as an event."""
    try:
        problem = json.loads(document)
        status, detail = int(problem["status"]), str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return GraphmillError("the server ended the events without a word that is understood")
    # The stream was opened; a key that is refused now was sent.
    return _error(status, detail, with_key=True)


def error_of(response: httpx.Response, address: str) -> GraphmillError:
    """What a response that is no success says; its body was read. `address`: that was asked."""
    detail = _detail(response)
    kind = _ERRORS.get(response.status_code, GraphmillError)
    if _is_elsewhere(response, detail, address):
        return kind(not_ours(response, address))
    if detail is None:
        return kind(_status(response))
    return _error(response.status_code, detail, "authorization" in response.request.headers)


def not_ours(response: httpx.Response, address: str) -> str:
    """Something answers there that is not graphmill's API."""
    asked, leads_to = httpx.URL(address), response.next_request
    # From http to https, say, or to where people sign in.
    where = f", which leads to {_server(leads_to.url)}" if leads_to else ""
    like = EXAMPLE if asked.path == "/" else _server(asked)
    return (
        f"{address} does not answer as graphmill's API ({_status(response)}{where}); set"
        f" GRAPHMILL_URL, or `url` of the client, to its address without a path, such as {like}"
    )


def _server(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode()}"


def _is_elsewhere(response: httpx.Response, detail: str | None, address: str) -> bool:
    if detail is None:  # of other statuses a proxy before graphmill may tell
        return response.is_redirect or response.status_code in _NO_SUCH_ROUTE
    # The API is below: a path before its routes makes others of them.
    return (
        response.status_code == HTTPStatus.NOT_FOUND
        and detail.startswith(_UNKNOWN_ROUTE)
        and httpx.URL(address).path != "/"
    )


def _error(status: int, detail: str, with_key: bool) -> GraphmillError:
    words = detail[:_MOST_CHARACTERS]
    if status == HTTPStatus.UNAUTHORIZED:
        words = f"{words}; {_about_the_key(words, with_key)}"
    return _ERRORS.get(status, GraphmillError)(words)


def _about_the_key(words: str, with_key: bool) -> str:
    """What the server cannot know: where this side has its key from."""
    if with_key:
        return "the key that was sent is GRAPHMILL_API_KEY, or `api_key` of the client"
    maker = "" if _KEY_MAKER in words else f", which `{_KEY_MAKER} NAME` makes"
    return f"set GRAPHMILL_API_KEY, or `api_key` of the client, to such a key{maker}"


def _detail(response: httpx.Response) -> str | None:
    """The problem document's words; None: it is none (a proxy's page)."""
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        try:
            detail = response.json()["detail"]
        except (ValueError, KeyError, TypeError):
            detail = None
        if isinstance(detail, str) and detail:
            return detail
    return None


def _status(response: httpx.Response) -> str:
    request_id = response.headers.get("x-request-id", "")
    behind = f" (request {request_id[:64]})" if request_id else ""
    return f"{response.url.host} answered {response.status_code} {response.reason_phrase}{behind}"
