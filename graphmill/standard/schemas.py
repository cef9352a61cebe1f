"""The forms of answers: what a model is asked for, and what its answer is checked against.

One class serves both. The JSON schemas keep to what the strict modes of endpoints have in common:
every field required, no other field, no bounds (those are applied when an answer is read).
"""

import json
import typing
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, FiniteFloat

from graphmill.llm.calls import Schema


def _none_is_empty(value: object) -> object:
    return "" if value is None else value


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


# Without a schema to hold it, a model writes null where there is nothing to say.
Text = Annotated[str, BeforeValidator(_none_is_empty)]


class _Form(BaseModel):
    # A title may be a year, and come as a number. What was not asked for is not read.
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


class EntityAnswer(_Form):
    title: Text
    type: Text
    description: Text


class RelationshipAnswer(_Form):
    """`strength` is 1 to 10."""

    source: Text
    target: Text
    type: Text = ""
    description: Text
    strength: FiniteFloat


class GraphAnswer(_Form):
    entities: tuple[EntityAnswer, ...]
    relationships: tuple[RelationshipAnswer, ...]


class ClaimAnswer(_Form):
    """Dates are ISO 8601 or ""."""

    subject: Text
    object: Text = ""
    type: Text
    description: Text
    status: Annotated[Literal["TRUE", "FALSE", "SUSPECTED"], BeforeValidator(_upper)]
    start_date: Text = ""
    end_date: Text = ""
    source_text: Text = ""


class ClaimsAnswer(_Form):
    claims: tuple[ClaimAnswer, ...]


class DescriptionAnswer(_Form):
    description: Text


class ResolutionAnswer(_Form):
    same: bool
    reason: Text = ""


class FindingAnswer(_Form):
    summary: Text
    explanation: Text


class ReportAnswer(_Form):
    """`rating` is 0 to 10."""

    title: Text
    summary: Text
    rating: FiniteFloat
    rating_explanation: Text = ""
    findings: tuple[FindingAnswer, ...]


class NamedTypeAnswer(_Form):
    name: Text
    meaning: Text = ""


class DraftAnswer(_Form):
    subject: Text
    language: Text = ""
    reader: Text = ""
    entity_types: tuple[NamedTypeAnswer, ...]
    relationship_types: tuple[NamedTypeAnswer, ...]


def _json_schema(form: Any) -> dict[str, Any]:
    """Written here rather than by pydantic, whose $refs, titles and defaults not all endpoints
    take, and because the schema is part of the key of a stored answer."""
    if typing.get_origin(form) is tuple:
        return {"type": "array", "items": _json_schema(typing.get_args(form)[0])}
    if typing.get_origin(form) is Literal:
        return {"type": "string", "enum": list(typing.get_args(form))}
    if isinstance(form, type) and issubclass(form, BaseModel):
        fields = {name: field.annotation for name, field in form.model_fields.items()}
        return {
            "type": "object",
            "properties": {name: _json_schema(of) for name, of in fields.items()},
            "required": list(fields),
            "additionalProperties": False,
        }
    return {"type": {str: "string", float: "number", bool: "boolean"}[form]}


EXTRACT_GRAPH = Schema("extract_graph", _json_schema(GraphAnswer))
EXTRACT_CLAIMS = Schema("extract_claims", _json_schema(ClaimsAnswer))
SUMMARIZE_DESCRIPTION = Schema("summarize_description", _json_schema(DescriptionAnswer))
RESOLVE_ENTITIES = Schema("resolve_entities", _json_schema(ResolutionAnswer))
COMMUNITY_REPORT = Schema("community_report", _json_schema(ReportAnswer))
DRAFT_PROMPTS = Schema("draft_prompts", _json_schema(DraftAnswer))


# Asked for with every question, of the few schemas above.
@cache
def show_form(schema: Schema) -> str:
    """The form in a line, for models whose endpoints know no schemas:
    {"description": string}."""
    return _show(schema.json_schema)


def _show(schema: dict[str, Any]) -> str:
    if schema["type"] == "object":
        fields = (f"{json.dumps(name)}: {_show(of)}" for name, of in schema["properties"].items())
        return "{" + ", ".join(fields) + "}"
    if schema["type"] == "array":
        return f"[{_show(schema['items'])}, ...]"
    return " | ".join(map(json.dumps, schema.get("enum", ()))) or str(schema["type"])
