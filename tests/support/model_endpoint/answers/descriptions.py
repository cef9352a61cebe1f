"""summarize_description: the beginnings of what it is given, and a number of the whole."""

from typing import Any

from tests.support.model_endpoint.answers.hashing import number_of
from tests.support.model_endpoint.answers.wording import document_text
from tests.support.model_endpoint.requests import ChatRequest

_MOST_LINES = 6


def summarize_description(request: ChatRequest) -> dict[str, Any]:
    return {"description": summary_of(document_text(request))}


def summary_of(text: str) -> str:
    lines = [line.strip()[:80] for line in text.splitlines() if line.strip()][:_MOST_LINES]
    return f"Summary {number_of(text):08x}: {'; '.join(lines)}"
