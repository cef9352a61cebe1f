"""Which answer a request gets."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.model_endpoint.answers import (
    claims,
    descriptions,
    graph,
    graphrag,
    lightrag,
    reports,
    resolution,
    tuning,
)
from tests.support.model_endpoint.answers.hashing import number_of
from tests.support.model_endpoint.answers.obedience import obeyed_line
from tests.support.model_endpoint.answers.replay import Replay
from tests.support.model_endpoint.answers.wording import document_text, is_gleaning, last_user_text
from tests.support.model_endpoint.behaviour import Behaviour
from tests.support.model_endpoint.requests import ChatRequest


@dataclass(frozen=True, slots=True)
class Answer:
    """`note`: what it is counted as besides: obeyed, replayed or replay_missed."""

    text: str
    note: str = ""


_STEPS: dict[str, Callable[[ChatRequest], dict[str, Any]]] = {
    "extract_graph": graph.extract_graph,
    "extract_claims": claims.extract_claims,
    "summarize_description": descriptions.summarize_description,
    "resolve_entities": resolution.resolve_entities,
    "community_report": reports.community_report,
    "draft_prompts": tuning.draft_prompts,
    "graphrag_report": graphrag.report,
}
# Answered in plain text.
_PLAIN_STEPS: dict[str, Callable[[ChatRequest], str]] = {
    "graphrag_extract": graphrag.extract,
    "graphrag_summary": graphrag.summarize,
    "lightrag_extract": lightrag.extract,
    "lightrag_summary": lightrag.summarize,
}


def answer_to(request: ChatRequest, behaviour: Behaviour, replay: Replay | None) -> Answer:
    if behaviour.obedient and (line := obeyed_line(request)) is not None:
        return Answer(line, "obeyed")
    note = ""
    if behaviour.answers == "replay" and request.step == "extract_graph" and replay is not None:
        # The real model was asked once: it has nothing to add.
        found = graph.NOTHING if is_gleaning(request) else replay.find(document_text(request))
        if found is not None:
            return Answer(_json(found), "replayed")
        note = "replay_missed"
    if (say := _PLAIN_STEPS.get(request.step)) is not None:
        return Answer(say(request), note)
    make = _STEPS.get(request.step)
    if make is None:
        return Answer(f"Simulated answer {number_of(last_user_text(request)):08x}.", note)
    return Answer(_json(make(request)), note)


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False)
