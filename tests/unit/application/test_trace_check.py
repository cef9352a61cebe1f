"""What doctor says of a collector of traces, over HTTP."""

from collections.abc import Iterator

import pytest

from graphmill.application.checks import Check
from graphmill.application.trace_check import check_traces
from tests.support.otlp import Collector, running_collector
from tests.unit.llm.small_server import small_server

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (ENDPOINT, "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as collector:
        yield collector


async def checked() -> list[Check]:
    return [check async for check in check_traces()]


async def test_nothing_is_said_where_none_are_sent() -> None:
    assert await checked() == []


async def test_a_collector_that_takes_them_is_sent_none(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINT, collector.url)
    assert await checked() == [
        Check("traces", True, f"{collector.url}/v1/traces takes traces (200)")
    ]
    assert (collector.requests, collector.spans) == ([b""], [])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 401 Who\r\ncontent-length: 0\r\n\r\n", "check OTEL_EXPORTER_OTLP_HEADERS"),
        (b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", "the port of OTLP over HTTP (4318)?"),
        (b"PRI * HTTP/2.0\r\n\r\n", "does not answer"),
    ],
)
async def test_what_is_wrong_with_it_is_said(
    answer: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with small_server() as server:
        server.answer = answer
        monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{server.port}")
        (check,) = await checked()
    assert check.ok is False
    assert words in check.words


async def test_a_protocol_that_is_not_spoken_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:4317")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    (check,) = await checked()
    assert check.ok is False
    assert "http/protobuf" in check.words
