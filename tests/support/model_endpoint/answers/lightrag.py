"""What LightRAG asks for: rows of parts between `<|#|>`, and summaries in plain words."""

from typing import Any

from tests.support.model_endpoint.answers.descriptions import summary_of
from tests.support.model_endpoint.answers.graph import find_graph, glean_graph
from tests.support.model_endpoint.answers.wording import (
    answered_before,
    first_user_text,
    is_gleaning,
    last_user_text,
)
from tests.support.model_endpoint.requests import ChatRequest

_BETWEEN = "<|#|>"
_END = "<|COMPLETE|>"


def extract(request: ChatRequest) -> str:
    _, _, after = first_user_text(request).partition("---Input Text---\n```\n")
    text = after.rpartition("\n```\n\n---Output---")[0]
    if is_gleaning(request):
        return _rows(glean_graph(text, _titles_in(answered_before(request))))
    return _rows(find_graph(text))


def summarize(request: ChatRequest) -> str:
    given = last_user_text(request).rpartition("---Input---\n")[2]
    return summary_of(given.rpartition("\n---Output---")[0])


def _rows(found: dict[str, Any]) -> str:
    rows = [
        ("entity", entity["title"], entity["type"], entity["description"])
        for entity in found["entities"]
    ] + [
        ("relation", one["source"], one["target"], "named together", one["description"])
        for one in found["relationships"]
    ]
    return "\n".join([*(_BETWEEN.join(row) for row in rows), _END])


def _titles_in(answer: str) -> set[str]:
    rows = (line.split(_BETWEEN) for line in answer.splitlines())
    return {row[1] for row in rows if row[0] == "entity" and len(row) > 1}
