"""The lines of a batch's files: a question each, and an answer or an error each, in any order."""

import json

from pydantic import BaseModel, Field, ValidationError

from graphmill.llm.batches import BatchedQuestion, LineAnswer
from graphmill.llm.completions import Completion, completion_body
from graphmill.llm.manners import Manners

URL = "/v1/chat/completions"
# A question that is wrong or too long; what may pass (408, 429, 500) is no refusal.
_REFUSED = frozenset({400, 413, 422})


def write_line(asked: BatchedQuestion, model: str, manners: Manners) -> bytes:
    """A question as a line of the input file; `model`: the endpoint's name for it."""
    body = completion_body(asked.question, model, manners)
    line = {"custom_id": asked.key.hex(), "method": "POST", "url": URL, "body": body}
    text = json.dumps(line, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "replace") + b"\n"


class _Response(BaseModel):
    status_code: int
    body: object = None


class _Line(BaseModel):
    custom_id: str = Field(pattern=r"^[0-9a-f]{64}$")
    response: _Response | None = None


def read_line(line: bytes) -> LineAnswer | None:
    """What a line of an output or error file says; None where it says nothing that is understood.

    An answer without a text (the model refused) is paid for too: it is empty, and incomplete.
    """
    try:
        given = _Line.model_validate_json(line)
        key = bytes.fromhex(given.custom_id)
        if given.response is None:
            return LineAnswer(key)
        if given.response.status_code != 200:
            refused = given.response.status_code in _REFUSED
            return LineAnswer(key, refused=refused, refusal=_refusal(given.response))
        completion = Completion.model_validate(given.response.body)
    except ValidationError:
        return None
    used = completion.used
    return LineAnswer(
        key,
        completion.message.content or "",
        completion.whole,
        used.prompt_tokens,
        used.completion_tokens,
    )


class _Error(BaseModel):
    message: str = ""
    param: str | None = None


class _ErrorBody(BaseModel):
    error: _Error


def _refusal(response: _Response) -> str:
    if response.status_code not in _REFUSED:
        return ""
    try:
        error = _ErrorBody.model_validate(response.body).error
    except ValidationError:
        return ""
    return f"{error.message[:2000]} {error.param or ''}"
