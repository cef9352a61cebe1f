"""What each client's calls look like in a trace."""

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from qdrant_client import AsyncQdrantClient

from graphmill.llm.addresses import Address
from graphmill.llm.calls import Message, Question
from graphmill.llm.client import open_client
from graphmill.llm.faults import EndpointFault
from graphmill.llm.vectors import TextBatch
from graphmill.stores.postgres.copying import copy_rows
from graphmill.stores.postgres.database import close_pool, open_pool
from graphmill.stores.qdrant.client import NoSuchCollection, answering
from graphmill.telemetry.spans import root_span
from tests.support.model_endpoint import Behaviour, ModelEndpoint, running_endpoint

WORDS = "the Countess of Lovelace"
QUESTION = Question("test.v1", "a-model", (Message("user", WORDS),))


def spans(kept: InMemorySpanExporter) -> list[tuple[str, dict[str, Any]]]:
    return [
        (span.name, dict(span.attributes or {}))
        for span in kept.get_finished_spans()
        if span.name != "root"
    ]


@pytest.fixture
async def pool(traced: InMemorySpanExporter, database_url: str) -> AsyncIterator[asyncpg.Pool]:
    pool = await open_pool(database_url, 1)
    yield pool
    await close_pool(pool)


@pytest.fixture
async def model() -> AsyncIterator[ModelEndpoint]:
    async with running_endpoint(Behaviour(places=5, seconds=0.0)) as endpoint:
        yield endpoint


async def test_statements_are_told_without_their_values(
    pool: asyncpg.Pool, traced: InMemorySpanExporter, database_url: str
) -> None:
    with root_span("root"):
        await pool.fetchval("SELECT  upper($1::text)\n LIMIT 1", WORDS)
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("CREATE TEMP TABLE people (name text) ON COMMIT DROP")
            await connection.executemany("INSERT INTO people VALUES ($1)", [(WORDS,)] * 2)
            await copy_rows(connection, "people", ("name",), [(WORDS,)])
        with pytest.raises(asyncpg.InvalidTextRepresentationError):
            await pool.fetchval("SELECT $1::text::int", WORDS)
    await pool.fetchval("SELECT 1")  # nobody's
    told = spans(traced)
    assert [name for name, _ in told] == [
        "SELECT",
        "BEGIN",
        "CREATE people",
        "INSERT people",
        "COPY people",
        "COMMIT",
        "SELECT",
    ]
    assert {name: value for name, value in told[0][1].items() if name != "db.namespace"} == {
        "db.system.name": "postgresql",
        "db.operation.name": "SELECT",
        "db.query.summary": "SELECT",
        "db.query.text": "SELECT upper($1::text) LIMIT 1",
    }
    assert told[0][1]["db.namespace"] in database_url
    assert told[-1][1]["error.type"] == "InvalidTextRepresentationError"
    assert all(WORDS not in span.to_json() for span in traced.get_finished_spans())


async def test_calls_of_qdrant(traced: InMemorySpanExporter) -> None:
    client = AsyncQdrantClient(":memory:")
    with root_span("root"):
        with answering("get_collections"):
            await client.get_collections()
        with pytest.raises(NoSuchCollection), answering("scroll", "not-there"):
            await client.scroll("not-there")
    assert spans(traced) == [
        ("get_collections", _qdrant("get_collections")),
        (
            "scroll not-there",
            _qdrant("scroll") | {"db.collection.name": "not-there", "error.type": "ValueError"},
        ),
    ]


def _qdrant(operation: str) -> dict[str, str]:
    return {"db.system.name": "qdrant", "db.operation.name": operation}


async def test_a_model_call_tells_its_tokens_and_no_text(
    traced: InMemorySpanExporter, model: ModelEndpoint
) -> None:
    address = Address("one", model.base_url, "a-key", {"a-model": "vendor/a-model"})
    with root_span("root"):
        async with open_client(address, 5) as client:
            answer = await client.ask(QUESTION)
            vectors = await client.embed(TextBatch("an-embedder", (WORDS, "more")))
    (chat_name, chat), (embed_name, embed) = spans(traced)
    assert (chat_name, embed_name) == ("chat a-model", "embeddings an-embedder")
    assert chat["gen_ai.operation.name"] == "chat"
    assert chat["gen_ai.request.model"] == "vendor/a-model"
    assert chat["gen_ai.usage.input_tokens"] == answer.prompt_tokens > 0
    assert chat["gen_ai.usage.output_tokens"] == answer.completion_tokens > 0
    assert chat["gen_ai.response.finish_reasons"] == ("stop",)
    assert (chat["graphmill.endpoint"], chat["graphmill.prompt"]) == ("one", "test.v1")
    assert chat["server.address"] == "127.0.0.1"
    assert embed["gen_ai.embeddings.dimension.count"] == len(vectors.vectors[0])
    assert embed["gen_ai.usage.input_tokens"] == vectors.prompt_tokens
    for span in traced.get_finished_spans():
        assert WORDS not in span.to_json()
        assert answer.text not in span.to_json()
        assert "a-key" not in span.to_json()


async def test_messages_are_told_where_somebody_asks_for_them(
    traced: InMemorySpanExporter, model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    with root_span("root"):
        async with open_client(Address("one", model.base_url, "a-key"), 5) as client:
            answer = await client.ask(QUESTION)
    ((_, chat),) = spans(traced)
    assert json.loads(chat["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": WORDS}]}
    ]
    assert json.loads(chat["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": answer.text}],
            "finish_reason": "stop",
        }
    ]


async def test_a_call_that_failed_says_how(traced: InMemorySpanExporter) -> None:
    with root_span("root"):
        async with open_client(Address("one", "http://127.0.0.1:9/v1", "a-key"), 5) as client:
            with pytest.raises(EndpointFault):
                await client.ask(QUESTION)
    ((name, chat),) = spans(traced)
    assert (name, chat["error.type"]) == ("chat a-model", "Unreachable")
    assert "gen_ai.usage.input_tokens" not in chat
