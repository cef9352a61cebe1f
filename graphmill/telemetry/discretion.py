"""What may leave with a trace: names, ids, counts, times; no text of a document and no secret."""

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status

# Attributes that are told, by how their names begin. Others may hold what somebody sent: queries of
# addresses, headers.
_TOLD = (
    *("graphmill.", "temporal", "db.", "gen_ai.", "error.type", "server.", "network."),
    *("http.request.method", "http.response.status_code", "http.route", "url.scheme"),
)
# The path itself where it is one of ours.
_ROUTE, _PATH = "http.route", "url.path"

# Words of these are in Temporal's histories too, and are fit for them (activities/failures.py).
_FIT = frozenset({"ActivityError", "ApplicationError", "ChildWorkflowError"})
_WORDS = 200


class DiscreetExporter(SpanExporter):
    """Takes out of spans, whoever made them, what nobody has looked at: attributes that are not
    known here, and the words of errors. A driver's may hold the values of a statement."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([_discreet(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _discreet(span: ReadableSpan) -> ReadableSpan:
    given = span.attributes or {}
    told = {
        name: value
        for name, value in given.items()
        if name.startswith(_TOLD) or (name == _PATH and _ROUTE in given)
    }
    if len(told) == len(given) and not span.events and not span.status.description:
        return span
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=told,
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
    kind, _, _ = (description or "").partition(":")
    if kind in _FIT:
        return (description or "")[:_WORDS]
    return kind if kind.isidentifier() else None
