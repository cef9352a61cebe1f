"""What is traced in this process, span by span."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from graphmill.telemetry import spans
from graphmill.telemetry.discretion import DiscreetExporter
from graphmill.telemetry.subject_attributes import SubjectAttributes


@pytest.fixture
def provider() -> TracerProvider:
    return TracerProvider()


@pytest.fixture
def traced(provider: TracerProvider) -> Iterator[InMemorySpanExporter]:
    """As graphmill.telemetry.tracing sets it up, but for where spans go."""
    kept = InMemorySpanExporter()
    provider.add_span_processor(SubjectAttributes())
    provider.add_span_processor(SimpleSpanProcessor(DiscreetExporter(kept)))
    spans.trace_with(provider.get_tracer("test"))
    yield kept
    spans.trace_with(None)
