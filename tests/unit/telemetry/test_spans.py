import time
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, get_current_span, get_tracer

from graphmill.telemetry.spans import (
    add_to_current,
    call_span,
    current_ids,
    ended_call,
    is_tracing,
    root_span,
    trace_headers,
    untraced,
)
from graphmill.telemetry.subjects import about, subject
from graphmill.together import Together


def by_name(kept: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in kept.get_finished_spans()}


def test_a_call_is_a_part_of_what_is_traced(traced: InMemorySpanExporter) -> None:
    with root_span("command"), call_span("MATCH Entity", {"db.system.name": "neo4j"}) as noted:
        noted.add({"graphmill.rows": 3})
    found = by_name(traced)
    call, command = found["MATCH Entity"], found["command"]
    assert call.parent is not None
    assert command.context is not None
    assert call.parent.span_id == command.context.span_id
    assert (call.kind, dict(call.attributes or {})) == (
        SpanKind.CLIENT,
        {"db.system.name": "neo4j", "graphmill.rows": 3},
    )
    assert call.status.status_code is StatusCode.UNSET


def test_a_call_that_nobodys_trace_asks_for_is_in_none(traced: InMemorySpanExporter) -> None:
    with call_span("postgresql SELECT", {}) as noted:
        noted.add({"rows": 3})
        assert current_ids() is None
        assert trace_headers() == {}
    ended_call("postgresql SELECT", {}, 1, time.time_ns(), None)
    with root_span("command"), untraced():
        with call_span("postgresql SELECT", {}):
            pass
        ended_call("postgresql SELECT", {}, 1, time.time_ns(), None)
    assert [span.name for span in traced.get_finished_spans()] == ["command"]


def test_of_an_error_its_kind_is_told_and_not_its_words(traced: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="Countess"), root_span("command"), call_span("call", {}):
        raise ValueError("the Countess of Lovelace")
    for span in traced.get_finished_spans():
        assert (span.attributes or {})["error.type"] == "ValueError"
        assert span.status.status_code is StatusCode.ERROR
        assert "Countess" not in span.to_json()


def test_words_of_others_do_not_leave(traced: InMemorySpanExporter) -> None:
    """Those of a library's own instrumentation, and of the SDK of Temporal."""
    with root_span("command"):
        span = get_current_span()
        span.record_exception(ValueError("the Countess of Lovelace"))
        span.set_status(StatusCode.ERROR, "ValueError: the Countess of Lovelace")
    (told,) = traced.get_finished_spans()
    assert (told.status.description, told.events) == ("ValueError", ())
    traced.clear()
    with root_span("command"):
        get_current_span().set_status(StatusCode.ERROR, "ApplicationError: a server is away")
    (told,) = traced.get_finished_spans()
    assert told.status.description == "ApplicationError: a server is away"


def test_a_call_that_has_ended_began_before(traced: InMemorySpanExporter) -> None:
    now = time.time_ns()
    with root_span("command"):
        ended_call("postgresql SELECT", {}, 5_000_000, now, "UniqueViolationError")
    call = by_name(traced)["postgresql SELECT"]
    assert (call.start_time, call.end_time) == (now - 5_000_000, now)
    assert (call.attributes or {})["error.type"] == "UniqueViolationError"
    assert call.status.status_code is StatusCode.ERROR


def test_spans_have_the_ids_of_what_is_worked_on(traced: InMemorySpanExporter) -> None:
    with root_span("before"), about(tenant="acme", document_id=""), root_span("within"):
        add_to_current({"graphmill.attempt": 2})
    found = by_name(traced)
    assert dict(found["within"].attributes or {}) == {
        "graphmill.tenant": "acme",
        "graphmill.attempt": 2,
    }
    assert not found["before"].attributes


def test_another_server_is_told_the_trace(traced: InMemorySpanExporter) -> None:
    with root_span("command"):
        ids = current_ids()
        assert ids is not None
        headers = trace_headers()
    assert headers.keys() == {"traceparent"}
    assert headers["traceparent"].startswith(f"00-{ids[0]}-{ids[1]}-")


def test_nothing_is_traced_where_nobody_asked_for_it() -> None:
    assert not is_tracing()
    with root_span("command"), call_span("call", {}) as noted, untraced():
        noted.add({"rows": 3})
        ended_call("call", {}, 1, 1, None)
        add_to_current({"rows": 3})
        assert current_ids() is None
        assert trace_headers() == {}


def test_attributes_that_nobody_has_looked_at_stay_here(traced: InMemorySpanExporter) -> None:
    with root_span("command"):
        get_current_span().set_attributes(
            {
                "url.query": "type=Countess",
                "url.path": "/not-one-of-ours/Countess",
                "http.request.header.authorization": "Bearer a-key",
                "user_agent.original": "somebody's",
                "http.response.status_code": 404,
            }
        )
    with root_span("command"):
        path = {"http.route": "/v1/collections/{name}", "url.path": "/v1/collections/letters"}
        get_current_span().set_attributes(path)
    unknown, known = traced.get_finished_spans()
    assert dict(unknown.attributes or {}) == {"http.response.status_code": 404}
    assert dict(known.attributes or {}) == path


async def test_what_is_done_for_many_is_about_none_of_them(traced: InMemorySpanExporter) -> None:
    async def work(items: Sequence[int]) -> Sequence[int]:
        told.append((dict(subject()), current_ids()))
        with call_span("SELECT documents", {}):
            return items

    told: list[tuple[dict[str, str], object]] = []
    together: Together[int, int] = Together(work, 10, name="claim")
    with root_span("command"), about(document_id="d-1"):
        await together.do(1)
    assert told == [({}, None)]
    found = by_name(traced)
    assert set(found) == {"claim", "command"}  # that it waited is told, and where
    assert found["claim"].parent is not None


def test_what_is_left_out_begins_no_trace_of_its_own(
    traced: InMemorySpanExporter, provider: TracerProvider
) -> None:
    """By whoever makes spans: an instrumentation does not ask us."""
    others = get_tracer("others", tracer_provider=provider)
    with root_span("command"), untraced(), others.start_as_current_span("somebody else's"):
        assert trace_headers() == {}
    assert set(by_name(traced)) == {"command"}
