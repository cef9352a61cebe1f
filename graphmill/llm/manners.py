"""How a model wants to be asked: found out from what is refused, and remembered."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

_ABOUT_VECTORS = ("encoding_format", "base64")
_ABOUT_FORM = ("response_format", "json_schema", "json_object", "structured output", "schema")


class AnswerForm(StrEnum):
    """How a model is made to answer in a schema, the strictest first."""

    SCHEMA = "json_schema"
    OBJECT = "json_object"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Manners:
    """`completion_bound`: the bound on an answer is called max_completion_tokens, as OpenAI's newer
    models want it. `temperature`: it may be set. `plain_vectors`: vectors come as numbers, not in
    base64, which is a quarter as long."""

    form: AnswerForm = AnswerForm.SCHEMA
    completion_bound: bool = False
    temperature: bool = True
    plain_vectors: bool = False

    def after(self, refusal: str) -> "Manners | None":
        """How to ask instead, after a refusal (400) in these words; None: that was not it."""
        words = refusal.lower()
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


class MannersMemory(Protocol):
    """What was found out, beyond the life of a process. Models go by the endpoint's names."""

    async def load(self, base_url: str, model: str) -> Manners | None: ...

    async def save(self, base_url: str, model: str, manners: Manners) -> None: ...
