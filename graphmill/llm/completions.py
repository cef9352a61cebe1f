"""What goes over the wire to a chat completions endpoint, and what comes back, as JSON."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from graphmill.llm.calls import ModelAnswer, Question
from graphmill.llm.faults import BrokenAnswer, QuestionRefused
from graphmill.llm.manners import AnswerForm, Manners
from graphmill.tokens import count_tokens

# How a model says that it did not come to its end.
_BROKEN_OFF = ("length", "content_filter")


def completion_body(question: Question, model: str, manners: Manners) -> dict[str, Any]:
    """A question as the endpoint takes it; `model`: the endpoint's name for it."""
    bound = manners.bound(question.max_tokens, lambda: sum(map(count_tokens, question.texts)))
    body: dict[str, Any] = {
        "model": model,
        "messages": [
            {"role": message.role, "content": message.content} for message in question.messages
        ],
        "max_completion_tokens" if manners.completion_bound else "max_tokens": bound,
    }
    if manners.temperature:
        body["temperature"] = question.temperature
    # Where a model is told of the schema in words alone, nothing is said of it here.
    if question.schema is not None and manners.form is AnswerForm.OBJECT:
        body["response_format"] = {"type": "json_object"}
    elif question.schema is not None and manners.form is not AnswerForm.TEXT:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {
                "name": question.schema.name,
                "schema": question.schema.json_schema,
                "strict": True,
            },
        }
    return body


def _or_zero(value: object, count: ValidatorFunctionWrapHandler) -> int:
    # An answer that is paid for is not thrown away because it is counted strangely.
    try:
        return count(value)
    except ValidationError:
        return 0


_Tokens = Annotated[int, Field(ge=0, lt=2**31), WrapValidator(_or_zero)]


class _Message(BaseModel):
    content: str | None = None
    refusal: object = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: object = None


class _Usage(BaseModel):
    prompt_tokens: _Tokens = 0
    completion_tokens: _Tokens = 0


class Completion(BaseModel):
    """An answer; what else endpoints say in it is not looked at."""

    choices: Sequence[_Choice] = ()
    usage: _Usage | None = None

    @property
    def message(self) -> _Message:
        """One without content where there is none."""
        return self.choices[0].message if self.choices else _Message()

    @property
    def whole(self) -> bool:
        """Whether the model had come to its end."""
        return (
            bool(self.choices)
            and self.message.content is not None
            and self.choices[0].finish_reason not in _BROKEN_OFF
        )

    @property
    def used(self) -> _Usage:
        return self.usage or _Usage()


def read_completion(content: bytes, endpoint: str) -> ModelAnswer:
    """An answer without a text, of a model that came to its bound while it thought or that a filter
    stopped, is empty and incomplete: it is paid for.

    Raises:
        BrokenAnswer: it is none.
        QuestionRefused: the model refuses to answer.
    """
    try:
        completion = Completion.model_validate_json(content)
    except ValidationError:
        raise BrokenAnswer(f"endpoint {endpoint!r} sent what is no answer") from None
    if not completion.choices:
        raise BrokenAnswer(f"endpoint {endpoint!r} sent what is no answer")
    message, used = completion.message, completion.used
    if message.content is None and message.refusal:
        raise QuestionRefused(f"endpoint {endpoint!r} says that its model refuses to answer")
    return ModelAnswer(
        text=message.content or "",
        complete=completion.whole,
        prompt_tokens=used.prompt_tokens,
        completion_tokens=used.completion_tokens,
        endpoint=endpoint,
    )
