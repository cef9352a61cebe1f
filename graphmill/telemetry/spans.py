"""Spans: what is called, for how long, and how it ended, as a part of what is traced.

Where nothing is traced (graphmill/telemetry/tracing.py) this costs nothing: OpenTelemetry is not
even imported.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

Attributes: TypeAlias = Mapping[str, "str | int | float | bool | list[str]"]

_tracer: Tracer | None = None


def trace_with(tracer: Tracer | None) -> None:
    """For the whole process; None: nothing is traced any more."""
    global _tracer
    _tracer = tracer


def is_tracing() -> bool:
    return _tracer is not None


class Noted:
    """What becomes known of a span while it goes on."""

    def __init__(self, span: Span | None) -> None:
        self._span = span

    def add(self, attributes: Attributes) -> None:
        if self._span is not None:
            self._span.set_attributes(attributes)


_NOT_TRACED = Noted(None)


@contextmanager
def call_span(name: str, attributes: Attributes) -> Generator[Noted]:
    """A call of another server: a part of what is traced now. What nobody's trace asks for (what a
    process does by itself, every few seconds) is in none.

    Of an error its kind is told, never its words: those may hold what was sent.
    """
    if _tracer is None:
        yield _NOT_TRACED
        return
    from opentelemetry import trace

    if not trace.get_current_span().is_recording():
        yield _NOT_TRACED
        return
    with _started(_tracer, name, attributes, trace.SpanKind.CLIENT) as noted:
        yield noted


def ended_call(
    name: str, attributes: Attributes, took_ns: int, ended_ns: int, error: str | None
) -> None:
    """As call_span, of a call that has ended: so many nanoseconds, until this time since 1970.
    `error`: its kind."""
    if _tracer is None:
        return
    from opentelemetry import trace

    if not trace.get_current_span().is_recording():
        return
    span = _tracer.start_span(
        name, kind=trace.SpanKind.CLIENT, attributes=attributes, start_time=ended_ns - took_ns
    )
    if error is not None:
        span.set_attribute("error.type", error)
        span.set_status(trace.StatusCode.ERROR)
    span.end(ended_ns)


@contextmanager
def root_span(name: str) -> Generator[None]:
    """What somebody asks for: the beginning of a trace, or a part of the one that is there."""
    if _tracer is None:
        yield
        return
    from opentelemetry import trace

    with _started(_tracer, name, {}, trace.SpanKind.INTERNAL):
        yield


@contextmanager
def _started(tracer: Tracer, name: str, attributes: Attributes, kind: object) -> Generator[Noted]:
    from opentelemetry import trace

    assert isinstance(kind, trace.SpanKind)
    with tracer.start_as_current_span(
        name,
        kind=kind,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield Noted(span)
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(trace.StatusCode.ERROR)
            raise


@contextmanager
def untraced() -> Generator[None]:
    """What is done again and again while somebody waits, or for many at once: no part of a trace,
    and the beginning of none."""
    if _tracer is None:
        yield
        return
    from opentelemetry import context, trace

    token = context.attach(trace.set_span_in_context(_left_out()))
    try:
        yield
    finally:
        context.detach(token)


def _left_out() -> Span:
    """One that no sampler has chosen, so that what is below it is left out too; where there is
    none, others would begin a trace."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    ids = RandomIdGenerator()
    nobodys = trace.SpanContext(ids.generate_trace_id(), ids.generate_span_id(), is_remote=False)
    return trace.NonRecordingSpan(nobodys)


def add_to_current(attributes: Attributes) -> None:
    """To the span that is open already, and that somebody else has begun."""
    if _tracer is not None:
        from opentelemetry import trace

        trace.get_current_span().set_attributes(attributes)


def current_ids() -> tuple[str, str] | None:
    """Of the trace and the span that is open, or has just ended here, in hexadecimal; None where
    none is, or nobody will see it."""
    if _tracer is None:
        return None
    from opentelemetry import trace

    found = trace.get_current_span().get_span_context()
    if not found.trace_flags.sampled:
        return None
    return trace.format_trace_id(found.trace_id), trace.format_span_id(found.span_id)


def trace_headers() -> dict[str, str]:
    """By which another server goes on with this trace (W3C Trace Context); none where there is
    none."""
    headers: dict[str, str] = {}
    if current_ids() is not None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        TraceContextTextMapPropagator().inject(headers)
    return headers
