"""What may leave with a trace: names, ids, counts, times; no text of a document and no secret."""

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status

# Words of these are in Temporal's histories too, and are fit for them (activities/failures.py).
_FIT = frozenset(
    {"ActivityError", "ApplicationError", "CancelledError", "ChildWorkflowError", "TimeoutError"}
)
_WORDS = 200


class DiscreetExporter(SpanExporter):
    """Takes the words of errors out of spans: a driver's may hold the values of a statement. Which
    error it was stays."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([_discreet(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _discreet(span: ReadableSpan) -> ReadableSpan:
    if not span.events and not span.status.description:
        return span
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        # All that makes events here are exceptions, with their words and where they came from.
        events=(),
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code, _words(span.status.description)),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _words(description: str | None) -> str | None:
    if not description:
        return None
    kind, _, _ = description.partition(":")
    return description[:_WORDS] if kind in _FIT else kind[:_WORDS]
