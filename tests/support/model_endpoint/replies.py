"""The body that a call gets, and whether its answer is whole."""

import json
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from tests.support.model_endpoint.answers.answering import Answer
from tests.support.model_endpoint.answers.vectors import in_base64, vector_of
from tests.support.model_endpoint.faults import (
    Fault,
    cut_off,
    fenced,
    is_json,
    with_trailing_comma,
)
from tests.support.model_endpoint.requests import ChatRequest, EmbeddingRequest, tokens_in

# The answer's body is the same whenever it is asked for.
_CREATED = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Reply:
    """`lost`: why the answer is not whole; `slip`: what is odd about a whole one; `note`: what the
    call is counted as besides."""

    body: dict[str, Any]
    prompt_tokens: int
    completion_tokens: int
    lost: str = ""
    slip: str = ""
    note: str = ""

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def encoded(self) -> bytes:
        return json.dumps(self.body).encode()


def chat_reply(request: ChatRequest, answer: Answer, fault: Fault | None, random: Random) -> Reply:
    text = answer.text
    finish: Literal["stop", "length"] = "stop"
    lost = slip = ""
    match fault:
        case Fault.TRUNCATED:
            lost = fault.value
            # Nobody could see that a plain text has lost its end, if it did not say so.
            if random.random() < 0.5 or not is_json(text):
                finish = "length"
            text = cut_off(text)
        case Fault.FENCED if is_json(text):
            slip, text = fault.value, fenced(text)
        case Fault.TRAILING_COMMA if is_json(text):
            slip, text = fault.value, with_trailing_comma(text)
        case _:
            pass
    if request.max_tokens is not None and tokens_in(text) > request.max_tokens:
        finish, lost, slip = "length", lost or "max_tokens", ""
        text = text[: 4 * request.max_tokens]
    completion_tokens = tokens_in(text)
    body = {
        "id": f"chatcmpl-{request.digest.hex()}",
        "object": "chat.completion",
        "created": _CREATED,
        "model": request.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": None,
                "finish_reason": finish,
            }
        ],
        "usage": {
            "prompt_tokens": request.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": request.prompt_tokens + completion_tokens,
        },
    }
    return Reply(body, request.prompt_tokens, completion_tokens, lost, slip, answer.note)


def embedding_reply(request: EmbeddingRequest, fault: Fault | None, dimensions: int) -> Reply:
    """One that is cut off lacks the last vector."""
    data: list[dict[str, Any]] = []
    for index, text in enumerate(request.texts):
        vector = vector_of(text, request.dimensions or dimensions)
        embedding = in_base64(vector) if request.base64 else vector
        data.append({"object": "embedding", "index": index, "embedding": embedding})
    tokens = request.prompt_tokens
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    body = {"object": "list", "data": data, "model": request.model, "usage": usage}
    lost = fault.value if fault is Fault.TRUNCATED and data.pop() else ""
    return Reply(body, tokens, 0, lost)
