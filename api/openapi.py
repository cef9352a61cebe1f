"""The OpenAPI document: what each route answers when something is wrong, besides what it answers
when all is well. A status that is not there is none that a client has to expect."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from api.problems import MEDIA_TYPE, Problem

Responses = dict[int | str, dict[str, Any]]

_SCHEMAS = "#/components/schemas/"
_WORDS: Mapping[int, str] = {
    HTTPStatus.BAD_REQUEST: "What was sent is not well formed.",
    HTTPStatus.UNAUTHORIZED: "There is no API key, or none of ours.",
    HTTPStatus.FORBIDDEN: "The key does not allow this; or, without keys, the request came from"
    " elsewhere than this machine.",
    HTTPStatus.NOT_FOUND: "This tenant has no such collection, document, entity or run.",
    HTTPStatus.REQUEST_TIMEOUT: "The body did not come in time.",
    HTTPStatus.CONFLICT: "It cannot be done as things stand: the run has ended, or another one is"
    " under way.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than is taken.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is of another media type.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A field or parameter is wrong; `errors` say which.",
    HTTPStatus.SERVICE_UNAVAILABLE: "PostgreSQL or Temporal does not answer, or has too much to do;"
    " or this server ends, or has as many streams or uploads open as it takes.",
}
_HEADERS: Mapping[int, dict[str, Any]] = {
    HTTPStatus.UNAUTHORIZED: {
        "WWW-Authenticate": {"required": True, "schema": {"type": "string", "const": "Bearer"}}
    },
    HTTPStatus.SERVICE_UNAVAILABLE: {
        "Retry-After": {
            "required": True,
            "description": "In seconds.",
            "schema": {"type": "integer"},
        }
    },
}


def problems(*statuses: int) -> Responses:
    """Those, as problem documents."""
    return {int(status): _problem(status) for status in statuses}


def _problem(status: int) -> dict[str, Any]:
    told: dict[str, Any] = {
        "description": _WORDS[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": f"{_SCHEMAS}Problem"}}},
    }
    if status in _HEADERS:
        told["headers"] = _HEADERS[status]
    return told


GUARDED = problems(
    HTTPStatus.FORBIDDEN, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE
)
"""Of every route: what is before all of them (api/guard.py, api/body_limit.py)."""

KEYED = problems(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
"""Of every route that asks for whom it is, and looks into the stores."""

_WITH_A_BODY = {
    str(status): told for status, told in problems(HTTPStatus.UNSUPPORTED_MEDIA_TYPE).items()
}
"""Of every route that takes one."""


class DescribedApi(FastAPI):
    """Its document has the form of problems, which routes point to, says which routes look at a
    body's media type, and that a key may be left out where it may."""

    needs_keys = True

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            problem = Problem.model_json_schema(ref_template=_SCHEMAS + "{model}")
            document["components"]["schemas"] |= problem.pop("$defs") | {"Problem": problem}
            for operation in _operations(document):
                if "requestBody" in operation:
                    operation["responses"] |= _WITH_A_BODY
                if not self.needs_keys and "security" in operation:
                    operation["security"].append({})
        assert self.openapi_schema is not None
        return self.openapi_schema

    def methods_of(self, path: str) -> tuple[str, ...]:
        """Of all its routes; of several templates that fit, of the one that leaves least open."""
        paths: dict[str, dict[str, Any]] = self.openapi()["paths"]
        fitting = [template for template in paths if _fits(template, path)]
        if not fitting:
            return ()
        closest = min(fitting, key=lambda template: template.count("{"))
        return tuple(sorted(method.upper() for method in paths[closest]))


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        yield from methods.values()


def _fits(template: str, path: str) -> bool:
    parts, given = template.split("/"), path.split("/")
    return len(parts) == len(given) and all(
        one == other or (one.startswith("{") and other)
        for one, other in zip(parts, given, strict=True)
    )
