"""Errors as RFC 9457 problem documents."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import cast, get_args

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.request_ids import HEADER, request_id
from graphmill.api_keys import InvalidKey, NotAllowed
from graphmill.application.idempotency import KeyUsedBefore
from graphmill.application.run_workflows import RunEnded
from graphmill.application.runs import RunUnderWay
from graphmill.errors import GraphmillError, InvalidRequest, NotFound, TransientError
from graphmill.http_api.examples import PROBLEM, like

_log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"


class TooLarge(InvalidRequest):
    """More bytes than are taken."""


class BodyTooSlow(InvalidRequest):
    """The body, or the next part of an upload, did not come in time."""


class UnsupportedMediaType(InvalidRequest):
    """The body is of another media type than is expected."""


class NothingMore(Exception):
    """There is no more to tell, and an answer without a body says so."""


# The first that fits counts: classes stand before those they derive from.
_STATUS: tuple[tuple[type[GraphmillError], HTTPStatus], ...] = (
    (BodyTooSlow, HTTPStatus.REQUEST_TIMEOUT),
    (TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (UnsupportedMediaType, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (InvalidKey, HTTPStatus.UNAUTHORIZED),
    (NotAllowed, HTTPStatus.FORBIDDEN),
    (KeyUsedBefore, HTTPStatus.UNPROCESSABLE_ENTITY),
    (InvalidRequest, HTTPStatus.BAD_REQUEST),
    (NotFound, HTTPStatus.NOT_FOUND),
    (RunEnded, HTTPStatus.CONFLICT),
    (RunUnderWay, HTTPStatus.CONFLICT),
    (TransientError, HTTPStatus.SERVICE_UNAVAILABLE),
    (GraphmillError, HTTPStatus.INTERNAL_SERVER_ERROR),
)


HEADERS = {
    # The rest of it may come yet, and is no request.
    HTTPStatus.REQUEST_TIMEOUT: {"Connection": "close"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "5"},
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
}

_HOW_TO_HAVE_A_KEY = (
    "send `Authorization: Bearer KEY`, with a key that `graphmill keys create NAME` makes on the"
    " server's side"
)
_NOT_JSON = (
    "the body is not told to be JSON: send it with the header `content-type: application/json`"
)


class InvalidField(BaseModel):
    field: str = Field(description="Where in the request, such as body.priority.")
    detail: str


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    model_config = like(PROBLEM)

    type: str = "about:blank"
    title: str
    status: int
    detail: str = Field(description="What is wrong and what to do.")
    request_id: str = Field(default="", description="By which the API's log knows it.")
    errors: list[InvalidField] | None = None


def problem(
    status: HTTPStatus,
    detail: str,
    errors: list[InvalidField] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    return _answer(_document(status, detail, errors), headers)


def _answer(document: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(
        document.model_dump(exclude_none=True),
        document.status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )


def problem_of(error: GraphmillError) -> Problem:
    """The document alone: what is sent where the answer has begun already."""
    words = str(error)
    if isinstance(error, InvalidKey):  # the same of all, so it tells nothing of any
        words = f"{words}; {_HOW_TO_HAVE_A_KEY}"
    return _document(_status(error), words)


def _document(status: HTTPStatus, detail: str, errors: list[InvalidField] | None = None) -> Problem:
    return Problem(
        title=status.phrase, status=status, detail=detail, request_id=request_id(), errors=errors
    )


def _status(error: Exception) -> HTTPStatus:
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def install(app: FastAPI, methods_of: Callable[[str], Sequence[str]]) -> None:
    """Every error that leaves the API is a problem document. `methods_of`: of a path."""
    app.add_exception_handler(GraphmillError, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, partial(_http, methods_of))
    app.add_exception_handler(NothingMore, _nothing_more)
    app.add_exception_handler(Exception, _unexpected)


async def _told(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, GraphmillError)
    return _answer(problem_of(error), HEADERS.get(_status(error)))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    if isinstance(error.body, bytes):  # FastAPI reads it where it is told to be JSON
        # Nor is it read all the same: pages of other origins may send other types unasked.
        return await _told(request, UnsupportedMediaType(_NOT_JSON))
    # What was sent is not sent back: it may be long, or a secret in the wrong place.
    errors = [
        InvalidField(
            field=_encodable(".".join(map(str, entry["loc"]))),
            detail=f"there is no such field; known are {', '.join(_known_fields(request))}"
            if entry["type"] == "extra_forbidden"
            else entry["msg"],
        )
        for entry in error.errors()
    ]
    detail = "; ".join(f"{entry.field}: {entry.detail}" for entry in errors)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors)


def _known_fields(request: Request) -> tuple[str, ...]:
    """Of the body that the route takes; none of them has fields of its own."""
    route = cast(APIRoute, request.scope["route"])
    taken = route.body_field.field_info.annotation if route.body_field else None
    # One that may be left out is of two types.
    kinds = (taken, *get_args(taken))
    model = next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))
    return tuple(model.model_fields)


def _encodable(text: str) -> str:
    """A name of a field that JSON can have, and UTF-8 cannot: half of a surrogate pair."""
    return text.encode("utf-8", "backslashreplace").decode()


async def _http(
    methods_of: Callable[[str], Sequence[str]], request: Request, error: Exception
) -> JSONResponse:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers) if error.headers else {}
    detail = str(error.detail)
    if error.status_code == HTTPStatus.NOT_FOUND:  # the router's; ours are NotFound
        detail = "there is no such route; /openapi.json lists those there are"
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # The router knows those of the first route that has the path.
        methods = methods_of(request.url.path)
        headers |= {"Allow": ", ".join(methods)} if methods else {}
    return problem(HTTPStatus(error.status_code), detail, headers=headers)


async def _nothing_more(request: Request, error: Exception) -> Response:
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    # The handler of last resort: the traceback is logged by the server, nothing of it is told.
    id: str = request.scope.get("state", {}).get("request_id", "")
    path = request.scope.get("path")
    _log.error("%s in %s (request %s)", type(error).__name__, path, id)
    document = _document(
        HTTPStatus.INTERNAL_SERVER_ERROR, "something unexpected happened; the API's log has it"
    ).model_copy(update={"request_id": id})
    return _answer(document, {HEADER: id})
