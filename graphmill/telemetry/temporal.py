"""Traces through Temporal: whoever connects takes these plugins along, clients and workers."""

from temporalio.plugin import SimplePlugin

from graphmill.telemetry.spans import is_tracing


def tracing_plugins() -> list[SimplePlugin]:
    """Of a client of Temporal, and of the workers that use it; none where nothing is traced."""
    if not is_tracing():
        return []
    from temporalio.contrib.opentelemetry import OpenTelemetryPlugin

    from graphmill.telemetry.long_runs import LongRuns

    return [
        # Spans of workflows, activities, signals, queries and updates too.
        OpenTelemetryPlugin(add_temporal_spans=True),
        # After it, so that it sees what that one sends.
        SimplePlugin("graphmill.LongRuns", interceptors=[LongRuns()]),
    ]
