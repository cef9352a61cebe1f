"""Requests as spans, by OpenTelemetry's own instrumentation, where traces are sent somewhere."""

import os

from fastapi import FastAPI

from graphmill.telemetry.tracing import traces_url

# Asked every few seconds, by what watches; and what lasts as long as a run.
_SERVER = "^[^/]+//[^/]+"
_NOT_TRACED = ",".join(
    f"{_SERVER}{path}" for path in (r"/health(/|$)", "/metrics$", r"/v1/runs/[^/]+/events(\?|$)")
)


def trace_requests(app: FastAPI) -> None:
    """
    Raises:
        SettingsError: they are to be sent where they cannot be.
    """
    if traces_url() is None:
        return
    # The names of attributes that are stable; the instrumentation begins with older ones.
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.metrics import NoOpMeterProvider

    FastAPIInstrumentor.instrument_app(
        app,
        excluded_urls=_NOT_TRACED,
        exclude_spans=["receive", "send"],
        http_capture_headers_server_request=[],
        http_capture_headers_server_response=[],
        meter_provider=NoOpMeterProvider(),  # /metrics has them
    )
