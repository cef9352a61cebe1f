"""summarize_description: the beginnings of what it is given, and a number of the whole."""

from typing import Any

from tests.support.model_endpoint.answers.hashing import number_of
from tests.support.model_endpoint.answers.wording import document_text
from tests.support.model_endpoint.requests import ChatRequest

_MOST_LINES = 6


def summarize_description(request: ChatRequest) -> dict[str, Any]:
    text = document_text(request)
    lines = [line.strip()[:80] for line in text.splitlines() if line.strip()][:_MOST_LINES]
    return {"description": f"Summary {number_of(text):08x}: {'; '.join(lines)}"}
