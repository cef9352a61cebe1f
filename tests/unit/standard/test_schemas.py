"""The forms of answers: fixed, and within what strict modes of endpoints take."""

from typing import Any

import pytest

from graphmill.llm.calls import Schema
from graphmill.standard.schemas import (
    COMMUNITY_REPORT,
    DRAFT_PROMPTS,
    EXTRACT_CLAIMS,
    EXTRACT_GRAPH,
    RESOLVE_ENTITIES,
    SUMMARIZE_DESCRIPTION,
    show_form,
)

ALL = [
    EXTRACT_GRAPH,
    EXTRACT_CLAIMS,
    SUMMARIZE_DESCRIPTION,
    RESOLVE_ENTITIES,
    COMMUNITY_REPORT,
    DRAFT_PROMPTS,
]


@pytest.mark.parametrize("schema", ALL, ids=lambda schema: schema.name)
def test_strict_modes_take_it(schema: Schema) -> None:
    def check(part: dict[str, Any]) -> None:
        assert part.keys() <= {
            "type", "properties", "required", "additionalProperties", "items", "enum"
        }  # fmt: skip
        if part["type"] == "object":
            assert part["additionalProperties"] is False
            assert part["required"] == list(part["properties"])
            for inner in part["properties"].values():
                check(inner)
        elif part["type"] == "array":
            check(part["items"])
        else:
            assert part["type"] in ("string", "number", "boolean")

    assert schema.json_schema["type"] == "object"
    check(schema.json_schema)


def test_the_forms_are_those_that_others_rely_on() -> None:
    assert {schema.name: show_form(schema) for schema in ALL} == {
        "extract_graph": (
            '{"entities": [{"title": string, "type": string, "description": string}, ...],'
            ' "relationships": [{"source": string, "target": string, "type": string,'
            ' "description": string, "strength": number}, ...]}'
        ),
        "extract_claims": (
            '{"claims": [{"subject": string, "object": string, "type": string,'
            ' "description": string, "status": "TRUE" | "FALSE" | "SUSPECTED",'
            ' "start_date": string, "end_date": string, "source_text": string}, ...]}'
        ),
        "summarize_description": '{"description": string}',
        "resolve_entities": '{"same": boolean, "reason": string}',
        "community_report": (
            '{"title": string, "summary": string, "rating": number,'
            ' "rating_explanation": string, "findings": [{"summary": string,'
            ' "explanation": string}, ...]}'
        ),
        "draft_prompts": (
            '{"subject": string, "language": string, "reader": string,'
            ' "entity_types": [{"name": string, "meaning": string}, ...],'
            ' "relationship_types": [{"name": string, "meaning": string}, ...]}'
        ),
    }
