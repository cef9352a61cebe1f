"""A call of a model as a span: OpenTelemetry's conventions for generative AI.

Tokens, and which model; what was said only where OpenTelemetry's own variable asks for it.
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

from graphmill.llm.addresses import Address
from graphmill.llm.calls import ModelAnswer, Question
from graphmill.llm.vectors import TextBatch, VectorBatch
from graphmill.telemetry.spans import Noted, call_span, is_tracing

CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


class ModelSpan:
    def __init__(self, noted: Noted, *, content: bool) -> None:
        self._noted = noted
        self._content = content

    def answered(self, answer: ModelAnswer) -> None:
        attributes: dict[str, str | int | list[str]] = {
            "gen_ai.usage.input_tokens": answer.prompt_tokens,
            "gen_ai.usage.output_tokens": answer.completion_tokens,
            "gen_ai.response.finish_reasons": ["stop" if answer.complete else "length"],
        }
        if self._content:
            attributes["gen_ai.output.messages"] = _answer(answer)
        self._noted.add(attributes)

    def embedded(self, answer: VectorBatch) -> None:
        attributes: dict[str, int] = {"gen_ai.usage.input_tokens": answer.prompt_tokens}
        if answer.vectors:
            attributes["gen_ai.embeddings.dimension.count"] = len(answer.vectors[0])
        self._noted.add(attributes)


@contextmanager
def asking(address: Address, question: Question) -> Generator[ModelSpan]:
    """One try of a question."""
    if not is_tracing():
        yield _NOT_TRACED
        return
    attributes: dict[str, str | int | float] = {
        **_of(address, "chat", question.model),
        "gen_ai.output.type": "text" if question.schema is None else "json",
        "gen_ai.request.max_tokens": question.max_tokens,
        "gen_ai.request.temperature": question.temperature,
        "graphmill.prompt": question.prompt,
    }
    content = os.environ.get(CONTENT, "").lower() == "true"
    if content:
        attributes["gen_ai.input.messages"] = _messages(
            [(message.role, message.content) for message in question.messages]
        )
    with call_span(f"chat {question.model}", attributes) as noted:
        yield ModelSpan(noted, content=content)


@contextmanager
def embedding(address: Address, batch: TextBatch) -> Generator[ModelSpan]:
    """One try of some texts."""
    if not is_tracing():
        yield _NOT_TRACED
        return
    attributes = {
        **_of(address, "embeddings", batch.model),
        "graphmill.texts": len(batch.texts),
    }
    with call_span(f"embeddings {batch.model}", attributes) as noted:
        yield ModelSpan(noted, content=False)


_NOT_TRACED = ModelSpan(Noted(None), content=False)


def _of(address: Address, operation: str, model: str) -> dict[str, str | int | float]:
    server = urlsplit(address.base_url)
    attributes: dict[str, str | int | float] = {
        "gen_ai.operation.name": operation,
        # What all our endpoints speak; which of them it is, its name tells.
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": address.models.get(model, model),
        "graphmill.endpoint": address.name,
    }
    if server.hostname:
        attributes["server.address"] = server.hostname
        attributes["server.port"] = server.port or (443 if server.scheme == "https" else 80)
    return attributes


def _messages(said: list[tuple[str, str]]) -> str:
    return _json([{"role": role, "parts": _parts(content)} for role, content in said])


def _answer(answer: ModelAnswer) -> str:
    reason = "stop" if answer.complete else "length"
    return _json([{"role": "assistant", "parts": _parts(answer.text), "finish_reason": reason}])


def _parts(content: str) -> list[dict[str, str]]:
    return [{"type": "text", "content": content}]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
