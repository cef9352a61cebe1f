"""The lines of a batch's files: a question each, and an answer or an error each, in any order."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import openai
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graphmill.llm.batches import BatchedQuestion
from graphmill.llm.calls import Message, Question, Schema
from graphmill.llm.client import messages_of, response_format_of
from graphmill.llm.manners import Manners

URL = "/v1/chat/completions"
# What a line has beside the question, names and brackets included, generously.
_AROUND = 1_000


def question_to_json(question: Question) -> str:
    return json.dumps(asdict(question), separators=(",", ":"), ensure_ascii=False)


def question_from_json(text: str) -> Question:
    """What `question_to_json` gave."""
    given = json.loads(text)
    schema = given["schema"]
    return Question(
        given["prompt"],
        given["model"],
        tuple(Message(**message) for message in given["messages"]),
        None if schema is None else Schema(**schema),
        given["max_tokens"],
        given["temperature"],
    )


def line_size(question: str) -> int:
    """Bytes of a question's line at most, given the question's JSON."""
    return len(question.encode("utf-8", "replace")) + _AROUND


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


@dataclass(frozen=True, slots=True)
class ReadLine:
    """What came for a question. `text` None: no answer, and `refusal` says why where the endpoint
    refuses the question's form (400)."""

    key: bytes
    text: str | None = None
    complete: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    refusal: str = ""


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


def read_line(line: bytes) -> ReadLine | None:
    """What a line of an output or error file says; None where it says nothing that is understood.

    An answer without a text (the model refused) is paid for too: it is empty, and incomplete.
    """
    try:
        given = _Line.model_validate_json(line)
        key = bytes.fromhex(given.custom_id)
        if given.response is None:
            return ReadLine(key)
        if given.response.status_code != 200:
            return ReadLine(key, refusal=_refusal(given.response))
        completion = _Completion.model_validate(given.response.body)
    except ValidationError:
        return None
    choice = completion.choices[0] if completion.choices else _Choice(message=_Message())
    text, usage = choice.message.content, completion.usage or _Usage()
    return ReadLine(
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
    if response.status_code != 400:
        return ""
    try:
        error = _ErrorBody.model_validate(response.body).error
    except ValidationError:
        return ""
    return f"{error.message[:2000]} {error.param or ''}"
