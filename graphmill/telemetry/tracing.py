"""Where traces go: to an OTLP endpoint, where OpenTelemetry's own variables name one."""

import os
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from graphmill.errors import SettingsError
from graphmill.telemetry import spans

if TYPE_CHECKING:
    from temporalio.contrib.opentelemetry import ReplaySafeTracerProvider

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
TRACES_HEADERS = "OTEL_EXPORTER_OTLP_TRACES_HEADERS"
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"

# What is left at the end is sent in this time or not at all.
_END_SECONDS = 1.0


def traces_url() -> str | None:
    """Where spans are sent; None: nothing is traced.

    Raises:
        SettingsError: it is no address, or is to be spoken to by a protocol that is not spoken
            here.
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    exporter = os.environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    if exporter == "none":
        return None
    own, common = os.environ.get(TRACES_ENDPOINT), os.environ.get(ENDPOINT)
    if not own and not common:
        return None
    if exporter != "otlp":
        raise SettingsError(f"OTEL_TRACES_EXPORTER is {exporter!r}; expected is otlp or none")
    for name in _PROTOCOLS:
        if (protocol := os.environ.get(name) or _PROTOCOL) != _PROTOCOL:
            raise SettingsError(
                f"{name} is {protocol!r}: traces are sent by {_PROTOCOL} alone; unset it, and let"
                f" {ENDPOINT} name the collector's port for that (4318 as it comes)"
            )
    url = own or f"{(common or '').rstrip('/')}/v1/traces"
    _check(TRACES_ENDPOINT if own else ENDPOINT, url)
    return url


def _check(name: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an end, a port that is no number
        parts, good = None, False
    if parts is None or not good:
        raise SettingsError(f"{name} is no address such as http://collector:4318")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise SettingsError(f"{name} has more than an address; a key belongs into {HEADERS}")


@contextmanager
def tracing(service: str, roles: Sequence[str] = ()) -> Generator[None]:
    """Send what is traced for the time of a block, where an endpoint is named.

    Args:
        service: the process's service.name, unless OTEL_SERVICE_NAME says another.
        roles: of a worker.

    Raises:
        SettingsError: the endpoint is named, and cannot be used.
    """
    url = traces_url()
    if url is None:
        yield
        return
    # Imported here: most that run trace nothing.
    from opentelemetry import propagate, trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    from temporalio.contrib.opentelemetry import create_tracer_provider

    from graphmill.telemetry.discretion import DiscreetExporter
    from graphmill.telemetry.subject_attributes import SubjectAttributes

    named: dict[str, str | Sequence[str]] = {
        "service.namespace": "graphmill",
        "service.instance.id": f"{os.uname().nodename}-{os.getpid()}",
    }
    if not os.environ.get("OTEL_SERVICE_NAME"):
        named["service.name"] = service
    if roles:
        named["graphmill.roles"] = list(roles)
    # What the SDK of Temporal needs is a provider whose ids a replay makes again.
    provider = create_tracer_provider(resource=Resource.create(named), shutdown_on_exit=False)
    provider.add_span_processor(SubjectAttributes())
    provider.add_span_processor(BatchSpanProcessor(DiscreetExporter(OTLPSpanExporter(url))))
    # Both are the process's, and set once. No baggage: it would go into every header that Temporal
    # keeps, whoever sent it.
    trace.set_tracer_provider(provider)
    propagate.set_global_textmap(TraceContextTextMapPropagator())
    spans.trace_with(trace.get_tracer("graphmill"))
    try:
        yield
    finally:
        spans.trace_with(None)
        _end(provider)


def _end(provider: "ReplaySafeTracerProvider") -> None:
    """Send what is left, in bounded time: the exporter would try a collector that is away for ten
    seconds, and whoever ended the process waits."""
    ending = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
    ending.start()
    ending.join(_END_SECONDS)
