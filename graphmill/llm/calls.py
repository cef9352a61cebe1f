"""A question to a model, its answer, and the key under which the answer is kept."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from uuid import UUID

from graphmill.errors import PermanentError
from graphmill.models import CollectionKey

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Schema:
    """The form that an answer has to have: a name, and a JSON schema."""

    name: str
    json_schema: dict[str, Any] = field(hash=False)  # the name tells most of them apart


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `prompt` names the prompt and its version; `max_tokens` bounds the answer."""

    prompt: str
    model: str
    messages: tuple[Message, ...]
    schema: Schema | None = None
    max_tokens: int = 4096
    temperature: float = 0.0

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(message.content for message in self.messages)

    @property
    def key(self) -> bytes:
        """SHA-256 of all that the answer depends on."""
        content = {
            "prompt": self.prompt,
            "model": self.model,
            "messages": [[message.role, message.content] for message in self.messages],
            "schema": self.schema and [self.schema.name, self.schema.json_schema],
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        # A lone surrogate cannot be encoded; it stays apart from every other character here.
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What came back. `complete` is False where the model stopped at max_tokens; `nano_usd` is what
    it cost, in 1e-9 dollars."""

    text: str
    complete: bool
    prompt_tokens: int
    completion_tokens: int
    endpoint: str
    nano_usd: int = 0


class Asked(Protocol):
    """What a call asks for, as far as limits and money go: text of a model, or vectors."""

    @property
    def model(self) -> str: ...

    @property
    def texts(self) -> tuple[str, ...]:
        """All that is sent."""
        ...

    @property
    def max_tokens(self) -> int:
        """The most that may be answered."""
        ...


class Paid(Protocol):
    """What a call cost: tokens, and 1e-9 dollars."""

    @property
    def prompt_tokens(self) -> int: ...

    @property
    def completion_tokens(self) -> int: ...

    @property
    def nano_usd(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Payer:
    """On whose account a call is: the run and, where there is one, the document it is for."""

    key: CollectionKey
    run_id: UUID | None
    step: str
    document_id: UUID | None = None


class InvalidAnswer(PermanentError):
    """What a model answered is not what was asked for; the message says what is wrong with it,
    without a word of it."""
