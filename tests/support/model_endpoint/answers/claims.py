"""extract_claims: a claim for each of the first sentences that name somebody."""

import re
from itertools import islice
from typing import Any

from tests.support.model_endpoint.answers.hashing import number_of
from tests.support.model_endpoint.answers.names import Sentence, sentences_in
from tests.support.model_endpoint.answers.wording import document_text, is_gleaning
from tests.support.model_endpoint.requests import ChatRequest

_MOST_CLAIMS = 5
_TYPES = ("FOUNDING", "PUBLICATION", "OFFICE", "DISPUTE")
_STATUSES = ("TRUE", "FALSE", "SUSPECTED")
_YEAR = re.compile(r"\b(1[5-9]\d\d|20\d\d)\b")


def extract_claims(request: ChatRequest) -> dict[str, Any]:
    if is_gleaning(request):
        return {"claims": []}
    named = (found for found in sentences_in(document_text(request)) if found.names)
    return {"claims": [_claim(sentence) for sentence in islice(named, _MOST_CLAIMS)]}


def _claim(sentence: Sentence) -> dict[str, Any]:
    subject = sentence.names[0]
    number = number_of(subject, sentence.text)
    years = _YEAR.findall(sentence.text)
    return {
        "subject": subject,
        "object": sentence.names[1] if len(sentence.names) > 1 else "NONE",
        "type": _TYPES[number % len(_TYPES)],
        "description": f"It is claimed of {subject}: {sentence.text[:120]}",
        "status": _STATUSES[number // 7 % len(_STATUSES)],
        "start_date": f"{years[0]}-01-01T00:00:00" if years else "NONE",
        "end_date": f"{years[-1]}-12-31T00:00:00" if years else "NONE",
        "source_text": sentence.text,
    }
