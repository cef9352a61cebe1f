"""draft_prompts: the names and long words that come most often, as types."""

import re
from collections import Counter
from typing import Any

from tests.support.model_endpoint.answers.hashing import number_of
from tests.support.model_endpoint.answers.names import sentences_in
from tests.support.model_endpoint.answers.wording import document_text
from tests.support.model_endpoint.requests import ChatRequest

_LONG_WORD = re.compile(r"\b[a-zß-öø-ÿ]{6,}\b")
_MOST_TYPES = 6


def draft_prompts(request: ChatRequest) -> dict[str, Any]:
    text = document_text(request)
    words = Counter(_LONG_WORD.findall(text))
    types = [word for word, _ in sorted(words.items(), key=lambda one: (-one[1], one[0]))]
    names = sorted({name for sentence in sentences_in(text) for name in sentence.names})
    return {
        "subject": f"{len(names)} names, number {number_of(text):08x}",
        "language": "English",
        "reader": "somebody who knows them",
        "entity_types": [_type(word) for word in ["person", *types][:_MOST_TYPES]],
        "relationship_types": [_type("knows"), _type("works with")],
    }


def _type(name: str) -> dict[str, str]:
    return {"name": name, "meaning": f"What the texts call {name}."}
