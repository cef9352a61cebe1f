"""Traces through Temporal: whoever connects takes these plugins along, clients and workers."""

import logging

from temporalio.plugin import SimplePlugin
from temporalio.runtime import LogForwardingConfig, LoggingConfig, TelemetryFilter

from graphmill.telemetry.spans import is_tracing


def tracing_plugins() -> list[SimplePlugin]:
    """Of a client of Temporal, and of the workers that use it; none where nothing is traced."""
    if not is_tracing():
        return []
    from temporalio.contrib.opentelemetry import OpenTelemetryPlugin

    from graphmill.telemetry.long_runs import Cut, Link

    # What goes out of a workflow passes these from the last to the first, what comes in from the
    # first to the last: cut is what the SDK's own has put there, linked where it has begun a span.
    return [
        SimplePlugin("graphmill.Cut", interceptors=[Cut()]),
        # Spans of workflows, activities, signals, queries and updates too.
        OpenTelemetryPlugin(add_temporal_spans=True),
        SimplePlugin("graphmill.Link", interceptors=[Link()]),
    ]


def core_logging() -> LoggingConfig:
    """What the SDK's core says goes the way of all else; by itself it would write to stdout."""
    return LoggingConfig(
        filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
        forwarding=LogForwardingConfig(logger=logging.getLogger("temporalio.core")),
    )
