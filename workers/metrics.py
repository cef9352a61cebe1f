"""A worker's metrics, for Prometheus: the Temporal SDK's, its pools, its connections."""

import urllib.request
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager

import asyncpg
from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from graphmill.embedded.ports import LOOPBACK, free_port
from graphmill.errors import SettingsError
from graphmill.memory_limit import LIMIT_METRIC, LIMIT_WORDS, memory_limit
from graphmill.process_memory import MEMORY_METRIC, MEMORY_WORDS, memory_of_tree
from graphmill.telemetry.temporal import core_logging
from graphmill.worker_pools import Pool

_SECONDS = 2.0


class SdkMetrics(Collector):
    """What the Temporal SDK tells, in seconds and with the suffixes that Prometheus wants. It is
    asked on an address that it has on this machine, each time that somebody wants to know."""

    def __init__(self) -> None:
        address = f"{LOOPBACK}:{free_port()}"
        self._url = f"http://{address}/metrics"
        self.runtime = Runtime(
            telemetry=TelemetryConfig(
                logging=core_logging(),
                metrics=PrometheusConfig(
                    bind_address=address,
                    counters_total_suffix=True,
                    unit_suffix=True,
                    durations_as_seconds=True,
                ),
            )
        )

    def describe(self) -> Iterable[Metric]:
        return ()  # or it would be asked when it is registered

    def collect(self) -> Iterable[Metric]:
        # No proxy: this is the process's own.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self._url, timeout=_SECONDS) as answer:
            return tuple(text_string_to_metric_families(answer.read().decode()))


class WorkerMetrics(Collector):
    """Its pools, its connections and its memory, as they are."""

    def __init__(
        self,
        pools: Callable[[], Sequence[Pool]],
        database: asyncpg.Pool,
        limit: Callable[[], int | None] = memory_limit,
    ) -> None:
        self._pools = pools
        self._database = database
        self._limit = limit

    def collect(self) -> Iterable[Metric]:
        activities = GaugeMetricFamily(
            "graphmill_worker_activities",
            "Activities of this process: size (at a time) and active.",
            labels=("role", "queue", "kind"),
        )
        longest = GaugeMetricFamily(
            "graphmill_worker_longest_activity_seconds",
            "Since the activity that has run longest began.",
            labels=("role", "queue"),
        )
        for one in self._pools():
            labels = (str(one.role), one.queue)
            if one.active is None:
                continue
            activities.add_metric((*labels, "size"), one.size)
            activities.add_metric((*labels, "active"), one.active)
            longest.add_metric(labels, max((task.seconds for task in one.running), default=0.0))
        connections = GaugeMetricFamily(
            "graphmill_worker_database_connections",
            "Connections of this process to PostgreSQL: size (the most), open and idle.",
            labels=("kind",),
        )
        for kind, count in (
            ("size", self._database.get_max_size()),
            ("open", self._database.get_size()),
            ("idle", self._database.get_idle_size()),
        ):
            connections.add_metric((kind,), count)
        memory = GaugeMetricFamily(MEMORY_METRIC, MEMORY_WORDS, value=memory_of_tree())
        yield from (activities, longest, connections, memory)
        if (limit := self._limit()) is not None:
            yield GaugeMetricFamily(LIMIT_METRIC, LIMIT_WORDS, value=limit)


@contextmanager
def serving_metrics(host: str, port: int, *collectors: Collector) -> Generator[None]:
    """GET /metrics answers for the time of a block, in a thread; also with what Prometheus expects
    of any process, when it started, say, where the system tells that.

    Raises:
        SettingsError: the port is taken.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    for collector in collectors:
        registry.register(collector)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise SettingsError(
            f"metrics cannot be served on {host}:{port} ({error.strerror}): set"
            " GRAPHMILL_METRICS_PORT to a port that is free, or leave it unset"
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
