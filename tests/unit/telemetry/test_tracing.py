import logging
import os
import socket
import subprocess
import sys

import pytest

from graphmill.errors import SettingsError
from graphmill.telemetry.spans import is_tracing
from graphmill.telemetry.tracing import traces_url, tracing

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        ENDPOINT,
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "OTEL_SDK_DISABLED",
        "OTEL_TRACES_EXPORTER",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, None),
        ({ENDPOINT: ""}, None),
        ({ENDPOINT: "http://collector:4318/"}, "http://collector:4318/v1/traces"),
        ({ENDPOINT: "http://collector:4318/otlp"}, "http://collector:4318/otlp/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/t"}, "http://c/t"),
        ({ENDPOINT: "http://collector:4318", "OTEL_SDK_DISABLED": "true"}, None),
        ({ENDPOINT: "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"}, None),
    ],
)
def test_where_traces_go(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], url: str | None
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert traces_url() == url


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf alone"),
        (ENDPOINT, "collector:4318", "no address"),
        (ENDPOINT, "http://[::1", "no address"),
        (ENDPOINT, "http://collector:abc", "no address"),
        (ENDPOINT, "http://me:secret@collector:4318", "OTEL_EXPORTER_OTLP_HEADERS"),
        (ENDPOINT, "http://collector:4318/?key=secret", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("OTEL_TRACES_EXPORTER", "console", "expected is otlp or none"),
    ],
)
def test_what_cannot_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(ENDPOINT, "http://collector:4318")
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=words) as told:
        traces_url()
    assert "secret" not in str(told.value)


def test_without_an_endpoint_nothing_is_traced(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with tracing("graphmill"):
        assert not is_tracing()
    assert caplog.records == []


_PROGRAM = """
import time
from graphmill.telemetry.spans import root_span
from graphmill.telemetry.tracing import tracing

with tracing("graphmill"):
    with root_span("command"):
        pass
    began = time.monotonic()
print(time.monotonic() - began)
"""


@pytest.mark.parametrize("listens", [True, False])
def test_a_collector_that_is_away_holds_the_end_up_for_a_second_only(listens: bool) -> None:
    """One that never answers, and one that refuses."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listens:
            server.listen()
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            env=os.environ | {ENDPOINT: f"http://127.0.0.1:{server.getsockname()[1]}"},
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    assert 0.9 < float(done.stdout) < 3
