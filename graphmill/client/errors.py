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


def error_of_problem(document: str) -> GraphmillError:
    """What a problem document says, where it came as an event."""
    try:
        problem = json.loads(document)
        status, detail = int(problem["status"]), str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return GraphmillError("the server ended the events without a word that is understood")
    return _ERRORS.get(status, GraphmillError)(detail[:_MOST_CHARACTERS])


def error_of(response: httpx.Response) -> GraphmillError:
    """What a response that is no success says; its body was read."""
    kind = _ERRORS.get(response.status_code, GraphmillError)
    return kind(_detail(response))


def _detail(response: httpx.Response) -> str:
    """The problem document's words; of what is none (a proxy's page), the status alone."""
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        try:
            detail = response.json()["detail"]
        except (ValueError, KeyError, TypeError):
            detail = None
        if isinstance(detail, str) and detail:
            return detail[:_MOST_CHARACTERS]
    request_id = response.headers.get("x-request-id", "")
    behind = f" (request {request_id[:64]})" if request_id else ""
    return f"{response.url.host} answered {response.status_code} {response.reason_phrase}{behind}"
