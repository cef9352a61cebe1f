"""One trace from a request to a model's answer, with nothing in it that is nobody's business."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.support.model_endpoint import Behaviour, ModelEndpoint, running_endpoint
from tests.support.neo4j import Neo4jServer
from tests.support.otlp import Collector, ReceivedSpan, running_collector
from tests.support.stack import Stack
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(400)

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
MODEL_KEY = "sk-never-to-be-seen"
# What documents say, what models answer about them, and what lets people in.
PRIVATE = ("Countess", "COUNTESS", "quarrelled", MODEL_KEY)
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
    async with running_endpoint(Behaviour(places=50, seconds=0.02)) as endpoint:
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
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
            "GRAPHMILL_LOG_FORMAT": "json",
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(stack: Stack, collector: Collector) -> dict[str, Any]:
    """Started by HTTP, by somebody who traces what he does."""
    assert stack.addresses is not None
    assert stack.addresses.api_url is not None
    async with httpx.AsyncClient(base_url=stack.addresses.api_url, trust_env=False) as client:
        files = [("files", (name, text)) for name, text in FILES.items()]
        stored = await client.post("/v1/collections/letters/documents", files=files)
        assert stored.status_code == 201, stored.text
        started = await client.post(
            "/v1/collections/letters/index",
            headers={"traceparent": f"00-{TRACE}-{CALLER}-01", "X-Request-ID": "the-request"},
        )
        assert started.status_code == 202, started.text
        run_id = started.json()["run_id"]

        async def status() -> dict[str, Any]:
            return (await client.get(f"/v1/runs/{run_id}")).json()

        async def ended() -> bool:
            return (await status())["state"] in ("completed", "failed")

        await until(ended, SECONDS)

    async def arrived() -> bool:
        names = {span.name for span in collector.of_trace(TRACE)}
        # The last to be told: spans are sent when they end.
        return {"RunWorkflow:IndexCollection", "RunWorkflow:ProjectGraph"} <= names

    await until(arrived, SECONDS)
    async with httpx.AsyncClient(base_url=stack.addresses.api_url, trust_env=False) as client:
        return (await client.get(f"/v1/runs/{run_id}")).json()


@pytest.mark.asyncio(loop_scope="module")
async def test_a_run_is_one_trace(run: dict[str, Any], collector: Collector) -> None:
    assert run["state"] == "completed"
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
        "postgresql SELECT",
        "postgresql COPY",
        "neo4j UNWIND",
        "chat a-model",
    ):
        assert name in names, name
    assert names.count("RunWorkflow:IndexDocument") == len(FILES)
    loose = [span for span in spans.values() if span.parent not in (*spans, CALLER)]
    assert loose == []
    (request,) = (span for span in spans.values() if span.parent == CALLER)
    assert request.service == "graphmill-api"
    assert request.attributes["graphmill.request_id"] == "the-request"
    assert {span.service for span in spans.values()} == {"graphmill-api", "graphmill-worker"}
    assert not any(span.failed for span in spans.values())


@pytest.mark.asyncio(loop_scope="module")
async def test_a_model_call_says_what_it_was_for_and_what_it_took(
    run: dict[str, Any], stack: Stack, collector: Collector, model: ModelEndpoint
) -> None:
    spans = {span.id: span for span in collector.of_trace(TRACE)}
    chats = [span for span in spans.values() if span.name == "chat a-model"]
    assert len(chats) == (await model.stats(arrivals=False)).begun

    def up(span: ReceivedSpan) -> Iterator[ReceivedSpan]:
        while (parent := spans.get(span.parent)) is not None:
            yield parent
            span = parent

    asked = [
        span
        for span in chats
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
    assert isinstance(told["gen_ai.usage.input_tokens"], int)
    total = sum(int(str(span.attributes["gen_ai.usage.input_tokens"])) for span in chats)
    assert total == run["model"]["prompt_tokens"]


@pytest.mark.asyncio(loop_scope="module")
async def test_no_text_and_no_secret_leaves(
    run: dict[str, Any], stack: Stack, collector: Collector
) -> None:
    sent = b"\n".join(collector.requests)
    assert b"graphmill-worker" in sent  # it is what was sent, and can be read
    for words in PRIVATE:
        assert words.encode() not in sent, words
    logs = [path for path in stack.home.path.rglob("*.log") if path.name != "up.log"]
    told = b"\n".join(path.read_bytes() for path in logs)
    for words in PRIVATE:
        assert words.encode() not in told, words


@pytest.mark.asyncio(loop_scope="module")
async def test_logs_are_json_with_ids(run: dict[str, Any], stack: Stack) -> None:
    lines = [
        line
        for path in stack.home.path.rglob("*.log")
        if path.name.startswith(("worker", "api"))
        for line in path.read_text().splitlines()
    ]
    assert lines
    for line in lines:
        assert {"timestamp", "level", "logger", "message"} <= json.loads(line).keys(), line


@pytest.mark.asyncio(loop_scope="module")
async def test_a_command_is_a_trace(
    run: dict[str, Any], stack: Stack, collector: Collector
) -> None:
    """What is started by the command line is a trace that begins there."""
    done = await asyncio.to_thread(stack.run, "rebuild", "letters", "--wait", timeout=90)
    assert done.returncode == 0, done.stderr

    async def told() -> bool:
        return any(span.name == "graphmill rebuild" for span in list(collector.spans))

    await until(told, SECONDS)
    (command,) = (span for span in collector.spans if span.name == "graphmill rebuild")
    assert (command.service, command.parent) == ("graphmill", "")

    async def followed() -> bool:
        names = {span.name for span in collector.of_trace(command.trace)}
        return "neo4j UNWIND" in names

    await until(followed, SECONDS)
