"""Errors as RFC 9457 problem documents."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from graphmill.application.run_workflows import RunEnded
from graphmill.application.runs import RunUnderWay
from graphmill.application.search import LaterRelease
from graphmill.errors import GraphmillError, InvalidRequest, NotFound, TransientError

_log = logging.getLogger(__name__)
_MEDIA_TYPE = "application/problem+json"
_RETRY_SECONDS = "5"


class TooLarge(InvalidRequest):
    """More bytes than are taken."""


class UnsupportedMediaType(InvalidRequest):
    """The body is of another media type than is expected."""


# The first that fits counts: classes stand before those they derive from.
_STATUS: tuple[tuple[type[GraphmillError], HTTPStatus], ...] = (
    (LaterRelease, HTTPStatus.NOT_IMPLEMENTED),
    (TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (UnsupportedMediaType, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (InvalidRequest, HTTPStatus.BAD_REQUEST),
    (NotFound, HTTPStatus.NOT_FOUND),
    (RunEnded, HTTPStatus.CONFLICT),
    (RunUnderWay, HTTPStatus.CONFLICT),
    (TransientError, HTTPStatus.SERVICE_UNAVAILABLE),
    (GraphmillError, HTTPStatus.INTERNAL_SERVER_ERROR),
)


class InvalidField(BaseModel):
    field: str = Field(description="Where in the request, such as body.priority.")
    detail: str


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = Field(description="What is wrong and what to do.")
    errors: list[InvalidField] | None = None


RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem document (RFC 9457).",
        "content": {_MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
    },
    # In place of FastAPI's own form of validation errors, which is never sent.
    422: {
        "description": "The request is not well formed.",
        "content": {_MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
    },
}


def problem(
    status: HTTPStatus,
    detail: str,
    errors: list[InvalidField] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    document = Problem(title=status.phrase, status=status, detail=detail, errors=errors)
    return JSONResponse(
        document.model_dump(exclude_none=True), status, headers=headers, media_type=_MEDIA_TYPE
    )


def install(app: FastAPI) -> None:
    """Every error that leaves the API is a problem document."""
    app.add_exception_handler(GraphmillError, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _told(request: Request, error: Exception) -> JSONResponse:
    status = next(status for kind, status in _STATUS if isinstance(error, kind))
    retry = {"Retry-After": _RETRY_SECONDS} if status is HTTPStatus.SERVICE_UNAVAILABLE else None
    return problem(status, str(error), headers=retry)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # What was sent is not sent back: it may be long, or a secret in the wrong place.
    errors = [
        InvalidField(field=".".join(map(str, entry["loc"])), detail=entry["msg"])
        for entry in error.errors()
    ]
    detail = "; ".join(f"{entry.field}: {entry.detail}" for entry in errors)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers) if error.headers else None
    return problem(HTTPStatus(error.status_code), str(error.detail), headers=headers)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    # The handler of last resort: the traceback is logged by the server, nothing of it is told.
    _log.error("%s in %s", type(error).__name__, request.scope.get("path"))
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "something unexpected happened; the API's log has it"
    )
