"""What a worker tells Prometheus of itself as a process."""

import urllib.request
from collections.abc import Callable
from unittest.mock import create_autospec

import asyncpg
import psutil
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from graphmill.embedded.ports import free_port
from workers.metrics import WorkerMetrics, serving_metrics


def _metrics(limit: Callable[[], int | None]) -> WorkerMetrics:
    database = create_autospec(asyncpg.Pool, instance=True)
    for size in (database.get_max_size, database.get_size, database.get_idle_size):
        size.return_value = 1
    return WorkerMetrics(lambda: (), database, limit)


def _read(text: str) -> dict[str, float]:
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize(("limit", "told"), [(536870912, 536870912.0), (None, None)])
def test_the_limit_of_memory_is_told_where_there_is_one(
    limit: int | None, told: float | None
) -> None:
    registry = CollectorRegistry()
    registry.register(_metrics(lambda: limit))
    found = _read(generate_latest(registry).decode())
    assert found.get("graphmill_process_memory_limit_bytes") == told
    assert found["graphmill_process_memory_bytes"] > 0


@pytest.mark.skipif(not psutil.LINUX, reason="told by Linux alone")
def test_when_it_started_is_told() -> None:
    port = free_port()
    with serving_metrics("127.0.0.1", port, _metrics(lambda: None)):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            found = _read(answer.read().decode())
    assert found["process_start_time_seconds"] == pytest.approx(
        psutil.Process().create_time(), abs=2
    )
