import json
import subprocess
import sys

import pytest

# In a process of its own: a log is set up once for all of it.
_PROGRAM = """
import logging, sys
from graphmill.errors import Unavailable
from graphmill.telemetry.logs import LogFormat, LogLevel, configure_logs
from graphmill.telemetry.subjects import about

configure_logs(LogFormat(sys.argv[1]), LogLevel(sys.argv[2]))
log = logging.getLogger("graphmill.test")
with about(document_id="d-1", tenant="acme"):
    log.info("read %d pages", 3)
    log.debug("in detail")
log.warning("a page", extra={"temporal_workflow": {"workflow_id": "index/a/b", "attempt": 1}})
log.warning("by others", extra={"given": "the Countess"})
try:
    try:
        raise KeyError("the Countess")
    except KeyError as error:
        raise ValueError("of Lovelace") from error
except ValueError:
    log.exception("it failed")
try:
    raise Unavailable("Neo4j does not answer")
except Unavailable:
    log.exception("it is away")
"""


def lines(form: str, level: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, form, level], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_json_has_a_document_a_line_with_the_ids_of_what_is_worked_on() -> None:
    told = [json.loads(line) for line in lines("json", "info")]
    assert [one["message"] for one in told] == [
        "read 3 pages",
        "a page",
        "by others",
        "it failed",
        "it is away",
    ]
    first = told[0]
    assert (first["level"], first["logger"]) == ("INFO", "graphmill.test")
    assert (first["document_id"], first["tenant"]) == ("d-1", "acme")
    assert first["timestamp"].endswith("+00:00")
    assert told[1]["workflow_id"] == "index/a/b"
    assert "document_id" not in told[1]


@pytest.mark.parametrize("form", ["json", "text"])
def test_the_words_of_an_error_that_nobody_expected_stay_here(form: str) -> None:
    told = "\n".join(lines(form, "info"))
    assert "ValueError" in told
    assert "KeyError" in told
    assert 'File "<string>", line' in told.replace('\\"', '"')
    assert "Countess" not in told
    assert "Lovelace" not in told
    assert "Unavailable: Neo4j does not answer" in told


def test_at_level_debug_they_are_told() -> None:
    told = "\n".join(lines("text", "debug"))
    assert "the Countess" in told
    assert "in detail" in told


def test_lines_for_people_end_with_the_ids() -> None:
    assert lines("text", "info")[0].endswith(
        "INFO graphmill.test: read 3 pages [document_id=d-1 tenant=acme]"
    )


_TRACED = """
import logging
from opentelemetry.sdk.trace import TracerProvider
from graphmill.telemetry import spans
from graphmill.telemetry.logs import LogFormat, LogLevel, configure_logs

configure_logs(LogFormat.JSON, LogLevel.INFO)
spans.trace_with(TracerProvider().get_tracer("test"))
with spans.root_span("command"):
    logging.getLogger("graphmill.test").info("%s %s", *spans.current_ids())
logging.getLogger("graphmill.test").info("behind it")
"""


def test_a_line_of_what_is_traced_has_its_trace() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TRACED], capture_output=True, text=True, check=True
    )
    within, behind = (json.loads(line) for line in done.stderr.splitlines())
    assert within["message"] == f"{within['trace_id']} {within['span_id']}"
    assert "trace_id" not in behind


_UNCAUGHT = """
import asyncio, threading, warnings
from graphmill.telemetry.logs import LogFormat, LogLevel, configure_logs

configure_logs(LogFormat.JSON, LogLevel.INFO)
warnings.warn("the Countess warned", UserWarning)

async def fails():
    raise ValueError("the Countess")

async def main():
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda who: 1 / 0, "the Countess")
    task = asyncio.create_task(fails())
    await asyncio.sleep(0.01)
    del task
    raise ExceptionGroup("of the Countess", [KeyError("the Countess"), OSError("the Countess")])

def in_a_thread():
    raise ValueError("the Countess")

thread = threading.Thread(target=in_a_thread)
thread.start()
thread.join()
asyncio.run(main())
"""


def test_what_nobody_caught_is_a_line_too_and_tells_no_words() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", _UNCAUGHT], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(one["logger"], one["message"].split(":")[0]) for one in told] == [
        ("py.warnings", "<string>"),
        ("graphmill", "a thread ended with this"),
        ("asyncio", "Exception in callback main."),
        ("asyncio", "Task exception was never retrieved"),
        ("graphmill", "nobody caught this"),
    ]
    assert "Countess" not in done.stderr
    for kind in ("UserWarning", "ZeroDivisionError", "KeyError", "OSError"):
        assert kind in done.stderr
