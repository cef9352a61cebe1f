"""The lines of a batch's files: a question each, and an answer or an error each, in any order."""

import json
from collections.abc import Sequence
from typing import Any

import openai
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graphmill.llm.batches import BatchedQuestion, LineAnswer
from graphmill.llm.client import messages_of, response_format_of
from graphmill.llm.manners import Manners

URL = "/v1/chat/completions"
# A question that is wrong or too long; what may pass (408, 429, 500) is no refusal.
_REFUSED = frozenset({400, 413, 422})


def write_line(asked: BatchedQuestion, model: str, manners: Manners) -> bytes:
    """A question as a line of the input file; `model`: the endpoint's name for it."""
    question = asked.question
    body: dict[str, Any] = {
        "model": model,
        "messages": messages_of(question),
        "max_completion_tokens" if manners.completion_bound else "max_tokens": question.max_tokens,
    }
    if manners.temperature:
        body["temperature"] = question.temperature
    form = response_format_of(question, manners.form)
    if not isinstance(form, openai.Omit):
        body["response_format"] = form
    line = {"custom_id": asked.key.hex(), "method": "POST", "url": URL, "body": body}
    text = json.dumps(line, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "replace") + b"\n"


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Message(_Part):
    content: str | None = None


class _Choice(_Part):
    message: _Message
    finish_reason: str | None = None


class _Usage(_Part):
    prompt_tokens: int = Field(default=0, ge=0, lt=2**31)
    completion_tokens: int = Field(default=0, ge=0, lt=2**31)


class _Completion(_Part):
    choices: Sequence[_Choice] = ()
    usage: _Usage | None = None


class _Response(_Part):
    status_code: int
    body: object = None


class _Line(_Part):
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
        completion = _Completion.model_validate(given.response.body)
    except ValidationError:
        return None
    choice = completion.choices[0] if completion.choices else _Choice(message=_Message())
    text, usage = choice.message.content, completion.usage or _Usage()
    return LineAnswer(
        key,
        text or "",
        text is not None and choice.finish_reason != "length",
        usage.prompt_tokens,
        usage.completion_tokens,
    )


class _Error(_Part):
    message: str = ""
    param: str | None = None


class _ErrorBody(_Part):
    error: _Error


def _refusal(response: _Response) -> str:
    if response.status_code not in _REFUSED:
        return ""
    try:
        error = _ErrorBody.model_validate(response.body).error
    except ValidationError:
        return ""
    return f"{error.message[:2000]} {error.param or ''}"
