"""community_report: a report on the names that stand in what it is given."""

from itertools import islice
from typing import Any

from tests.support.model_endpoint.answers.hashing import number_of
from tests.support.model_endpoint.answers.names import sentences_in
from tests.support.model_endpoint.answers.wording import document_text
from tests.support.model_endpoint.requests import ChatRequest

_MOST_FINDINGS = 4


def community_report(request: ChatRequest) -> dict[str, Any]:
    return report_on(document_text(request))


def report_on(text: str) -> dict[str, Any]:
    number = number_of(text)
    named = list(islice((found for found in sentences_in(text) if found.names), _MOST_FINDINGS))
    names = list(dict.fromkeys(name for sentence in named for name in sentence.names))[:3]
    title = " and ".join(names) or f"Community {number:08x}"
    # Where the tables of graphmill show claims: the first.
    claims = " [Data: Claims (1)]" if "-----Claims-----" in text else ""
    return {
        "title": title,
        "summary": f"Report {number:08x}: this community is about {title}.",
        "rating": number % 101 / 10,
        "rating_explanation": f"It follows from {number:08x}, a number of the whole text.{claims}",
        "findings": [
            {
                "summary": f"{sentence.names[0]} matters here",
                "explanation": f"{sentence.names[0]} is named in this: {sentence.text[:200]}",
            }
            for sentence in named
        ],
    }
