"""What is asked: a chat completion or embeddings, read from a request's body."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from tests.support.model_endpoint.peers import peer_step
from tests.support.model_endpoint.refusals import bad_request

_MARKER = re.compile(r"# (\w+)\s*$")


@dataclass(frozen=True, slots=True)
class Message:
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """`digest` is of all that an answer may depend on; `format` is the response_format's type."""

    model: str
    step: str
    digest: bytes
    prompt_tokens: int
    messages: tuple[Message, ...]
    format: str
    max_tokens: int | None

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(message.text for message in self.messages)


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    model: str
    step: str
    digest: bytes
    prompt_tokens: int
    texts: tuple[str, ...]
    dimensions: int | None
    base64: bool


def tokens_in(text: str) -> int:
    """A token is four characters here."""
    return (len(text) + 3) // 4


def digest_of(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def read_object(body: bytes) -> dict[str, Any]:
    """
    Raises:
        Refusal: it is no JSON object.
    """
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise bad_request("We could not parse the JSON body of your request.")
    return cast(dict[str, Any], content)


def read_chat(content: dict[str, Any]) -> ChatRequest:
    """
    Raises:
        Refusal: it is no request for a chat completion.
    """
    model = _model(content)
    given = content.get("messages")
    if not isinstance(given, list) or not given:
        raise bad_request("Missing required parameter: 'messages'.", param="messages")
    if content.get("stream"):
        raise bad_request("Streaming is not supported here.", param="stream")
    messages = tuple(_message(message) for message in cast(list[Any], given))
    response_format = content.get("response_format") or {"type": "text"}
    if not isinstance(response_format, dict):
        raise bad_request("Invalid type for 'response_format'.", param="response_format")
    response_format = cast(dict[str, Any], response_format)
    max_tokens = content.get("max_completion_tokens", content.get("max_tokens"))
    meaning = [
        model,
        [[message.role, message.text] for message in messages],
        response_format,
        max_tokens,
        content.get("temperature"),
    ]
    return ChatRequest(
        model=model,
        step=_step(response_format, messages),
        digest=_digest(meaning),
        prompt_tokens=sum(4 + tokens_in(message.text) for message in messages),
        messages=messages,
        format=str(response_format.get("type", "text")),
        max_tokens=max_tokens if isinstance(max_tokens, int) else None,
    )


def read_embeddings(content: dict[str, Any]) -> EmbeddingRequest:
    """
    Raises:
        Refusal: it is no request for embeddings.
    """
    model = _model(content)
    given = content.get("input")
    if isinstance(given, str):
        texts: tuple[str, ...] = (given,)
    elif isinstance(given, list) and given:
        given = cast(list[Any], given)
        # Tokens come as numbers, one text's or several texts'.
        texts = (str(given),) if isinstance(given[0], int) else tuple(str(text) for text in given)
    else:
        raise bad_request("Missing required parameter: 'input'.", param="input")
    dimensions = content.get("dimensions")
    return EmbeddingRequest(
        model=model,
        step="embeddings",
        digest=_digest([model, texts, dimensions]),
        prompt_tokens=sum(tokens_in(text) for text in texts),
        texts=texts,
        dimensions=dimensions if isinstance(dimensions, int) else None,
        base64=content.get("encoding_format") == "base64",
    )


def _model(content: dict[str, Any]) -> str:
    model = content.get("model")
    if not isinstance(model, str) or not model:
        raise bad_request("you must provide a model parameter", param="model")
    return model


def _message(given: Any) -> Message:
    if not isinstance(given, dict):
        raise bad_request("Invalid type for 'messages'.", param="messages")
    given = cast(dict[str, Any], given)
    content = given.get("content")
    if isinstance(content, list):
        parts = cast(list[dict[str, Any]], content)
        content = "\n".join(str(part.get("text", "")) for part in parts)
    return Message(str(given.get("role")), content if isinstance(content, str) else "")


def _step(response_format: dict[str, Any], messages: Sequence[Message]) -> str:
    """What a peer's prompt says; else the schema's name; without one, the word on the system
    message's first line."""
    if (step := peer_step(messages[0].text)) is not None:
        return step
    schema = response_format.get("json_schema")
    if isinstance(schema, dict):
        name = cast(dict[str, Any], schema).get("name")
        if isinstance(name, str) and name:
            return name
    for message in messages:
        if message.role in ("system", "developer"):
            found = _MARKER.match(message.text.partition("\n")[0])
            return found[1] if found else "plain"
    return "plain"


def _digest(meaning: Any) -> bytes:
    return digest_of(json.dumps(meaning).encode())
