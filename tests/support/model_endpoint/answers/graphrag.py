"""What GraphRAG asks for: records of parts between `<|>`, summaries in plain words, and reports as
JSON."""

from typing import Any

from tests.support.model_endpoint.answers.descriptions import summary_of
from tests.support.model_endpoint.answers.graph import find_graph, glean_graph
from tests.support.model_endpoint.answers.reports import report_on
from tests.support.model_endpoint.answers.wording import (
    answered_before,
    first_user_text,
    is_gleaning,
    last_user_text,
)
from tests.support.model_endpoint.requests import ChatRequest

_BETWEEN = "<|>"
_BETWEEN_RECORDS = "\n##\n"
_END = "<|COMPLETE|>"


def extract(request: ChatRequest) -> str:
    real = first_user_text(request).rpartition("\n-Real Data-\n")[2].partition("\nText: ")[2]
    text = real.rpartition("\n######################\nOutput:")[0]
    if is_gleaning(request):
        found = glean_graph(text, _titles_in(answered_before(request)))
        # GraphRAG sets this behind the answer before as it is; what stands on one line with that
        # answer's end would be lost.
        return _BETWEEN_RECORDS + _records(found)
    return _records(find_graph(text))


def summarize(request: ChatRequest) -> str:
    given = last_user_text(request).rpartition("\n-Data-\n")[2]
    return summary_of(given.rpartition("\n#######\nOutput:")[0])


def report(request: ChatRequest) -> dict[str, Any]:
    real = last_user_text(request).rpartition("\n# Real Data\n")[2].partition("\nText:\n")[2]
    return report_on(real.partition("\nThe report should include the following sections:")[0])


def _records(found: dict[str, Any]) -> str:
    records = [
        ('"entity"', entity["title"].upper(), entity["type"].upper(), entity["description"])
        for entity in found["entities"]
    ] + [
        (
            '"relationship"',
            one["source"].upper(),
            one["target"].upper(),
            one["description"],
            str(one["strength"]),
        )
        for one in found["relationships"]
    ]
    return _BETWEEN_RECORDS.join([*(f"({_BETWEEN.join(record)})" for record in records), _END])


def _titles_in(answer: str) -> set[str]:
    records = (record.strip("\n()").split(_BETWEEN) for record in answer.split("##"))
    return {record[1] for record in records if record[0] == '"entity"' and len(record) > 1}
