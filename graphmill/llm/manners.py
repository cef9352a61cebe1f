"""How a model wants to be asked: found out from what is refused, and remembered."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

_ABOUT_VECTORS = ("encoding_format", "base64")
_ABOUT_FORM = ("response_format", "json_schema", "json_object", "structured output", "schema")
# OpenAI: "max_tokens is too large: 8192. This model supports at most 4096 completion tokens";
# Anthropic: "max_tokens: 8192 > 4096, which is the maximum allowed number of output tokens".
_ANSWER_TOKENS = re.compile(
    r"at most (\d{2,7}) completion tokens"
    r"|> (\d{2,7}), which is the maximum allowed number of output"
)
# OpenAI, vLLM: "maximum context length is 8192 tokens"; what is asked for counts as taken.
_CONTEXT_TOKENS = re.compile(r"maximum context length is (\d{3,8}) tokens")
# A question's tokens in a model's own count, for each in ours (o200k_base).
_TOKENS_FOR_OURS = 1.3
# What a server puts around the messages of a question.
_FRAME_TOKENS = 64
# Below this a model has no room for an answer, and may say so.
_LEAST_ANSWER = 256


class AnswerForm(StrEnum):
    """How a model is made to answer in a schema, the strictest first."""

    SCHEMA = "json_schema"
    OBJECT = "json_object"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Manners:
    """`completion_bound`: the bound on an answer is called max_completion_tokens, as OpenAI's newer
    models want it. `temperature`: it may be set. `plain_vectors`: vectors come as numbers, not in
    base64, which is a quarter as long. `answer_tokens`: the longest answer that may be asked for;
    `context_tokens`: what question and answer may have together; 0: nothing is known."""

    form: AnswerForm = AnswerForm.SCHEMA
    completion_bound: bool = False
    temperature: bool = True
    plain_vectors: bool = False
    answer_tokens: int = 0
    context_tokens: int = 0

    def bound(self, max_tokens: int, question_tokens: Callable[[], int]) -> int:
        """How long an answer to ask for, of a question that would have `max_tokens`."""
        if self.answer_tokens:
            max_tokens = min(max_tokens, self.answer_tokens)
        if self.context_tokens:
            asked = int(_TOKENS_FOR_OURS * question_tokens()) + _FRAME_TOKENS
            left = self.context_tokens - asked
            max_tokens = min(max_tokens, max(_LEAST_ANSWER, left))
        return max_tokens

    def bounded_as(self, other: "Manners") -> "Manners":
        return replace(self, answer_tokens=other.answer_tokens, context_tokens=other.context_tokens)

    def after(self, refusal: str, max_tokens: int = 0) -> "Manners | None":
        """How to ask instead, after a refusal (400) in these words; None: that was not it.
        `max_tokens`: of the question that was refused; 0 where nothing is answered but vectors."""
        words = refusal.lower()
        if (found := _ANSWER_TOKENS.search(words)) and max_tokens:
            tokens = int(found[1] or found[2])
            known = self.answer_tokens or max_tokens
            return replace(self, answer_tokens=tokens) if tokens < known else None
        if (found := _CONTEXT_TOKENS.search(words)) and max_tokens:
            tokens = int(found[1])
            known = self.context_tokens
            return replace(self, context_tokens=tokens) if not known or tokens < known else None
        if "max_completion_tokens" in words and not self.completion_bound:
            return replace(self, completion_bound=True)
        if "temperature" in words and self.temperature:
            return replace(self, temperature=False)
        if any(word in words for word in _ABOUT_VECTORS) and not self.plain_vectors:
            return replace(self, plain_vectors=True)
        if any(word in words for word in _ABOUT_FORM) and self.form is not AnswerForm.TEXT:
            forms = list(AnswerForm)
            return replace(self, form=forms[forms.index(self.form) + 1])
        return None


@dataclass(frozen=True, slots=True)
class Guess:
    """How a question is asked next, after a refusal; `known`: of its model, when it was refused."""

    manners: Manners
    known: Manners


class MannersMemory(Protocol):
    """What was found out, beyond the life of a process. Models go by the endpoint's names."""

    async def load(self, base_url: str, model: str) -> Manners | None: ...

    async def save(self, base_url: str, model: str, manners: Manners) -> None: ...
