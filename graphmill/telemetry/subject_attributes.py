"""Spans have the ids of what is worked on."""

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor

from graphmill.telemetry.subjects import subject


class SubjectAttributes(SpanProcessor):
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        for name, id in subject().items():
            span.set_attribute(attribute(name), id)


def attribute(name: str) -> str:
    """A subject's name (document_id) among the attributes of spans (graphmill.document_id)."""
    return f"graphmill.{name}"
