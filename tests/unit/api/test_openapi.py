"""The OpenAPI document holds together, and shows what bodies and answers look like."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from api.app import create_app
from graphmill.embedded.home import Addresses
from graphmill.http_api import examples
from graphmill.ids import document_id
from graphmill.settings import Settings

METHODS = ("get", "post", "put", "patch", "delete")
# What they answer says it all.
NOT_SHOWN = {"GET /health/live", "GET /metrics"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    app = create_app(Settings(), Addresses("postgresql:///none", "127.0.0.1:1"))
    return app.openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield f"{method.upper()} {path}", methods[method]


def examples_of(media: dict[str, Any], document: dict[str, Any]) -> list[Any]:
    """Of a body or an answer: its own, or its schema's."""
    if "example" in media:
        return [media["example"]]
    schema = media.get("schema", {})
    for one in (schema, *schema.get("anyOf", ())):  # a body that may be left out is of two schemas
        resolved = resolve(one["$ref"], document) if "$ref" in one else one
        if "examples" in resolved:
            return list(resolved["examples"])
    return []


def resolve(reference: str, document: dict[str, Any]) -> dict[str, Any]:
    found = document
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def faults(example: Any, schema: dict[str, Any], document: dict[str, Any]) -> list[str]:
    whole = schema | {"components": document["components"]}
    validator: Any = Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [error.message for error in validator.iter_errors(example)]


def test_every_body_has_an_example_of_its_own_schema(document: dict[str, Any]) -> None:
    bodies = 0
    for name, operation in operations(document):
        for media in operation.get("requestBody", {}).get("content", {}).values():
            bodies += 1
            shown = examples_of(media, document)
            assert shown, name
            for example in shown:
                assert faults(example, media["schema"], document) == [], name
    assert bodies == 7


def test_every_answer_has_an_example_of_its_own_schema(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            for media in answer.get("content", {}).values():
                if "itemSchema" in media:
                    continue  # events, whose data is another answer
                shown = examples_of(media, document)
                assert shown or (status == "200" and name in NOT_SHOWN), (name, status)
                for example in shown:
                    assert faults(example, media["schema"], document) == [], (name, status)
    assert {name for name, _ in operations(document)} > NOT_SHOWN


def test_an_example_that_is_wrong_would_be_found(document: dict[str, Any]) -> None:
    schema = {"$ref": "#/components/schemas/IndexBody"}
    assert faults({"priority": 9}, schema, document)
    assert faults({"documents": ["x"]}, {"$ref": "#/components/schemas/DocumentIdsBody"}, document)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            for name, value in part.items():  # pyright: ignore[reportUnknownVariableType]
                if name == "$ref":
                    yield str(value)  # pyright: ignore[reportUnknownArgumentType]
                yield from references(value)
        elif isinstance(part, list):
            for value in part:  # pyright: ignore[reportUnknownVariableType]
                yield from references(value)

    found = set(references(document))
    assert "#/components/schemas/Problem" in found
    for reference in found:
        assert resolve(reference, document)


def test_every_status_is_named(document: dict[str, Any]) -> None:
    """`default` would allow any, so nobody could tell that one is missing."""
    for name, operation in operations(document):
        statuses = set(operation["responses"])
        assert statuses >= {"403", "413"}, name
        assert not statuses & {"default", "500"}, name
        assert ("415" in statuses) == ("requestBody" in operation), name
        if name.split()[1].startswith("/v1/"):
            assert statuses >= {"400", "401", "422", "503"}, name


def test_documents_in_examples_have_the_ids_of_their_names() -> None:
    assert str(document_id(examples.DOCUMENT["name"])) == examples.LETTER_ID
    assert str(document_id("babbage.pdf")) == examples.PAPER_ID
