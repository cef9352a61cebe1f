"""One trace from a request to a model's answer, with nothing in it that is nobody's business."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.support.model_endpoint import Behaviour, ModelEndpoint, running_endpoint
from tests.support.neo4j import Neo4jServer
from tests.support.otlp import Collector, ReceivedSpan, running_collector
from tests.support.stack import Stack
from tests.support.waiting import until

pytestmark = [pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="module")]

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
MODEL_KEY = "sk-never-to-be-seen"
# What documents say, models answer about them, and people ask; and what lets somebody in.
PRIVATE = ("Countess", "COUNTESS", "quarrelled", MODEL_KEY, "a-caller-has-this")
FILES = {
    f"letter-{n}.md": f"The Countess of Lovelace quarrelled with Charles Babbage in year {n}."
    for n in range(3)
}
SECONDS = 60.0


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as collector:
        yield collector


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model() -> AsyncGenerator[ModelEndpoint]:
    behaviour = Behaviour(places=50, seconds=0.02, rate_500=0.25, seed=3)
    async with running_endpoint(behaviour) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def neo4j(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neo4jServer]:
    server = Neo4jServer(tmp_path_factory.mktemp("neo4j"))
    server.start()
    yield server
    server.kill()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(
    model: ModelEndpoint,
    neo4j: Neo4jServer,
    collector: Collector,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncGenerator[Stack]:
    stack = Stack(
        tmp_path_factory.mktemp("traces"),
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "GRAPHMILL_LOG_FORMAT": "json",
            "GRAPHMILL_API_REQUIRE_KEYS": "true",
            "THE_KEY": MODEL_KEY,
            "NEO4J_URI": neo4j.uri,
        },
    )
    (stack.home.path / "graphmill.toml").write_text(
        f"""
        [[endpoints]]
        name = "simulated"
        base_url = "{model.base_url}"
        api_key_env = "THE_KEY"

        [models]
        extraction = "a-model"
        summaries = "a-model"
        reports = "a-model"
        """
    )
    await asyncio.to_thread(stack.start)
    yield stack
    await asyncio.to_thread(stack.stop)


@dataclass(frozen=True, slots=True)
class Indexed:
    run: dict[str, Any]
    api_key: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def indexed(stack: Stack, collector: Collector) -> Indexed:
    """By HTTP, by somebody who traces what he does."""
    code, key = await asyncio.to_thread(
        stack.run_json, "keys", "create", "tests", "--scope", "index"
    )
    assert code == 0
    assert stack.addresses is not None
    assert stack.addresses.api_url is not None
    async with httpx.AsyncClient(
        base_url=stack.addresses.api_url,
        headers={"Authorization": f"Bearer {key['key']}"},
        trust_env=False,
    ) as client:
        files = [("files", (name, text)) for name, text in FILES.items()]
        stored = await client.post("/v1/collections/letters/documents", files=files)
        assert stored.status_code == 201, stored.text
        started = await client.post(
            "/v1/collections/letters/index",
            headers={
                "traceparent": f"00-{TRACE}-{CALLER}-01",
                "baggage": "who=a-caller-has-this",
                "X-Request-ID": "the-request",
            },
        )
        assert started.status_code == 202, started.text
        run_id = started.json()["run_id"]

        async def run() -> dict[str, Any]:
            return (await client.get(f"/v1/runs/{run_id}")).json()

        async def ended() -> bool:
            return (await run())["state"] in ("completed", "failed")

        await until(ended, SECONDS)
        # Words of a document in an address, and in a question.
        found = await client.get("/v1/collections/letters/entities?type=COUNTESS")
        assert found.status_code == 200, found.text
        question = {"question": "Who quarrelled?"}
        answer = await client.post("/v1/collections/letters/query", json=question)
        assert answer.status_code == 200, answer.text

        def arrived() -> bool:
            names = {span.name for span in collector.of_trace(TRACE)}
            # Spans are sent when they end, by each process when it comes to it.
            whole = {"RunWorkflow:IndexCollection", "RunWorkflow:ProjectGraph"} <= names
            return whole and not loose(collector)

        await until(arrived, SECONDS)
        return Indexed(await run(), key["key"])


def loose(collector: Collector) -> list[ReceivedSpan]:
    """Spans without the one that they are below."""
    spans = collector.of_trace(TRACE)
    ids = {span.id for span in spans} | {CALLER}
    return [span for span in spans if span.parent not in ids]


async def test_a_run_is_one_trace(indexed: Indexed, collector: Collector) -> None:
    assert indexed.run["state"] == "completed"
    spans = {span.id: span for span in collector.of_trace(TRACE)}
    names = [span.name for span in spans.values()]
    for name in (
        "POST /v1/collections/{name}/index",
        "SignalWithStartWorkflow:IndexCollection",
        "RunWorkflow:IndexCollection",
        "RunWorkflow:IndexPage",
        "RunActivity:process_document",
        "RunActivity:extract_document",
        "RunActivity:write_model_reports",
        "RunWorkflow:ProjectGraph",
        "SELECT documents",
        "COPY communities",
        "claim model answers",
        "chat a-model",
    ):
        assert name in names, name
    systems = {span.attributes.get("db.system.name") for span in spans.values()}
    assert systems == {None, "postgresql", "neo4j"}
    assert names.count("RunWorkflow:IndexDocument") == len(FILES)
    (request,) = (span for span in spans.values() if span.parent == CALLER)
    assert request.service == "graphmill-api"
    assert request.attributes["graphmill.request_id"] == "the-request"
    assert request.attributes["url.path"] == "/v1/collections/letters/index"
    assert {span.service for span in spans.values()} == {"graphmill-api", "graphmill-worker"}
    # What the endpoint refused was asked again.
    assert {span.name for span in spans.values() if span.failed} == {"chat a-model"}


async def test_a_model_call_says_what_it_was_for_and_what_it_took(
    indexed: Indexed, stack: Stack, collector: Collector, model: ModelEndpoint
) -> None:
    spans = {span.id: span for span in collector.of_trace(TRACE)}
    chats = [span for span in spans.values() if span.name == "chat a-model"]
    stats = await model.stats(arrivals=False)
    assert len(chats) == stats.begun
    answered = [span for span in chats if not span.failed]
    assert len(answered) == stats.answered < stats.begun

    def up(span: ReceivedSpan) -> Iterator[ReceivedSpan]:
        while (parent := spans.get(span.parent)) is not None:
            yield parent
            span = parent

    asked = [
        span
        for span in answered
        if any(above.name == "RunActivity:extract_document" for above in up(span))
    ]
    _, documents = await asyncio.to_thread(
        stack.run_json, "documents", "list", "--collection", "letters"
    )
    ids = {document["id"] for document in documents["documents"]}
    assert {span.attributes["graphmill.document_id"] for span in asked} == ids
    told = asked[0].attributes
    assert told["gen_ai.operation.name"] == "chat"
    assert told["graphmill.endpoint"] == "simulated"
    total = sum(int(str(span.attributes["gen_ai.usage.input_tokens"])) for span in answered)
    assert total == indexed.run["model"]["prompt_tokens"]


async def test_what_goes_well_is_in_the_log_with_its_ids(indexed: Indexed, stack: Stack) -> None:
    """The request, the run from its beginning to its end, and each document."""
    lines = [line for line in log(stack) if line.get("trace_id") == TRACE]
    (asked,) = (line for line in lines if line["logger"] == "api.request_log")
    assert asked["message"].startswith("POST /v1/collections/{name}/index: 202 in ")
    assert asked["request_id"] == "the-request"

    run_id = indexed.run["run_id"]
    of_run = [line for line in lines if line.get("run_id") == run_id]
    told = [line["message"].partition(" (")[0] for line in of_run if line["level"] == "INFO"]
    assert told[0] == "run opened: method standard"
    assert told[-1] == "run completed"
    assert "run running: communities" in told
    documents = [line for line in of_run if line["message"].startswith("document done: 1 text")]
    assert len({line["document_id"] for line in documents}) == len(documents) == len(FILES)
    for line in documents:
        assert (line["tenant"], line["collection"]) == ("default", "letters")
        assert line["workflow_id"] == f"document/default/letters/{line['document_id']}"
        assert line["activity"] == "extract_document"
        assert line["span_id"]


async def test_what_fails_is_told_with_its_ids(
    indexed: Indexed, stack: Stack, collector: Collector, neo4j: Neo4jServer
) -> None:
    """A command is a trace that begins there; its parts that fail are in the log."""
    neo4j.kill()
    done = await asyncio.to_thread(stack.run, "rebuild", "letters")
    assert done.returncode == 0, done.stderr

    def told() -> dict[str, str]:
        found = (line for line in log(stack) if "Neo4j" in line["message"])
        return next(found, dict[str, str]())

    await until(lambda: bool(told()), SECONDS)
    line = told()
    assert (line["level"], line["logger"]) == ("WARNING", "activities.subjects")
    assert line["message"].startswith("try 1 failed: Unavailable: Neo4j does not answer")
    assert line["workflow_id"] == "project/default/letters"
    assert line["activity"] == "project_to_store"
    assert (line["tenant"], line["collection"]) == ("default", "letters")

    def command() -> ReceivedSpan | None:
        return next((span for span in collector.spans if span.name == "graphmill rebuild"), None)

    await until(lambda: command() is not None, SECONDS)
    found = command()
    assert found is not None
    assert (found.service, found.parent, found.trace) == ("graphmill", "", line["trace_id"])

    # What was asked again, of which document.
    retried = [line for line in log(stack) if line["message"].startswith("try 1:")]
    assert retried
    for line in retried:
        assert line["trace_id"] == TRACE
        assert line["workflow_id"]
    assert any("document_id" in line for line in retried)


def log(stack: Stack) -> list[dict[str, str]]:
    lines: list[str] = []
    for path in files_of_log(stack):
        if path.name.startswith(("worker", "api")):
            lines += path.read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert found
    for line in found:
        assert {"timestamp", "level", "logger", "message"} <= line.keys()
    return found


def files_of_log(stack: Stack) -> list[Path]:
    return [path for path in stack.home.path.rglob("*.log") if path.name != "up.log"]


async def test_no_text_and_no_secret_leaves(
    indexed: Indexed, stack: Stack, collector: Collector
) -> None:
    """After all of the above: also what fails, what is asked for, and how."""
    sent = b"\n".join(collector.requests)
    told = b"\n".join(path.read_bytes() for path in files_of_log(stack))
    assert b"graphmill-worker" in sent  # it is what was sent, and can be read
    for words in (*PRIVATE, indexed.api_key):
        assert words.encode() not in sent, words
        assert words.encode() not in told, words
