"""The simulated model's Batch API, as the openai library uses it."""

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import httpx
import openai
import pytest
from openai.types import Batch

from tests.support.model_endpoint import ModelEndpoint
from tests.support.model_endpoint.fixtures import http, model, model_process
from tests.support.waiting import until

__all__ = ["http", "model", "model_process"]

URL = "/v1/chat/completions"
ENDED = ("completed", "failed", "expired", "cancelled")


@pytest.fixture
async def client(model: ModelEndpoint) -> AsyncGenerator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=model.base_url, api_key="none", max_retries=0) as made:
        yield made


def request(text: str) -> dict[str, Any]:
    messages = [
        {"role": "system", "content": "# extract_graph"},
        {"role": "user", "content": text},
    ]
    return {"model": "m", "messages": messages}


def line(number: int, text: str | None = None, url: str = URL) -> dict[str, Any]:
    body = request(text or f"Ada Lovelace met Babbage {number} times.")
    return {"custom_id": f"line-{number}", "method": "POST", "url": url, "body": body}


async def submit(
    client: openai.AsyncOpenAI, lines: Sequence[dict[str, Any]], name: str = "a"
) -> Batch:
    content = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    file = await client.files.create(file=("lines.jsonl", content), purpose="batch")
    assert (await client.files.retrieve(file.id)).bytes == len(content)
    return await client.batches.create(
        input_file_id=file.id,
        endpoint=URL,
        completion_window="24h",
        metadata={"name": name},
    )


async def ended(client: openai.AsyncOpenAI, id: str) -> tuple[Batch, list[str]]:
    """The batch when it has ended, and the states that were seen on the way."""
    seen: list[str] = []

    async def has_ended() -> bool:
        status = (await client.batches.retrieve(id)).status
        if not seen or seen[-1] != status:
            seen.append(status)
        return status in ENDED

    await until(has_ended)
    return await client.batches.retrieve(id), seen


async def read(client: openai.AsyncOpenAI, file: str | None) -> list[dict[str, Any]]:
    if file is None:
        return []
    content = await client.files.content(file)
    return [json.loads(text) for text in content.text.splitlines()]


async def test_a_batch_goes_through_its_states_and_answers_every_line(
    model: ModelEndpoint, http: httpx.AsyncClient, client: openai.AsyncOpenAI
) -> None:
    await model.change(batch_seconds=1)
    lines = [line(number) for number in range(30)]
    batch, seen = await ended(client, (await submit(client, lines)).id)
    assert seen == ["validating", "in_progress", "finalizing", "completed"]
    assert batch.request_counts is not None
    assert (batch.request_counts.total, batch.request_counts.completed) == (30, 30)
    assert batch.error_file_id is None
    output = await read(client, batch.output_file_id)
    assert {found["custom_id"] for found in output} == {line["custom_id"] for line in lines}
    assert all(set(found) == {"id", "custom_id", "response", "error"} for found in output)
    first = next(found for found in output if found["custom_id"] == "line-0")
    assert first["error"] is None
    assert first["response"]["status_code"] == 200
    # The same as a call would get; and a call that asks again is seen as one.
    asked = await http.post("chat/completions", json=request("Ada Lovelace met Babbage 0 times."))
    assert first["response"]["body"] == asked.json()
    stats = await model.stats()
    assert (stats.batches, stats.batch_lines, stats.batch_answered) == (1, 30, 30)
    assert (stats.begun, stats.distinct, stats.repeats_of_answered) == (1, 30, 1)
    assert batch.output_file_id is not None
    await client.files.delete(batch.output_file_id)
    with pytest.raises(openai.NotFoundError):
        await client.files.content(batch.output_file_id)


async def test_shares_of_lines_expire_and_fail(
    model: ModelEndpoint, client: openai.AsyncOpenAI
) -> None:
    await model.change(batch_seconds=0.2, batch_expire_share=0.3, batch_fail_share=0.2)
    batch, _ = await ended(client, (await submit(client, [line(n) for n in range(10)])).id)
    assert batch.status == "expired"
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.failed) == (5, 5)
    output = await read(client, batch.output_file_id)
    errors = await read(client, batch.error_file_id)
    assert len(output) == len(errors) == 5
    assert len({found["custom_id"] for found in output + errors}) == 10
    expired = [found for found in errors if found["response"] is None]
    assert [found["error"]["code"] for found in expired] == ["batch_expired"] * 3
    failed = [found["response"]["status_code"] for found in errors if found["response"]]
    assert failed == [500, 500]
    stats = await model.stats()
    assert (stats.batch_expired, stats.batch_failed, stats.batch_answered) == (3, 2, 5)


async def test_a_batch_is_found_again_by_its_metadata(
    model: ModelEndpoint, http: httpx.AsyncClient, client: openai.AsyncOpenAI
) -> None:
    made = [await submit(client, [line(0)], name=f"batch {number}") for number in range(5)]
    page = (await http.get("batches", params={"limit": 2})).json()
    assert [batch["id"] for batch in page["data"]] == [made[4].id, made[3].id]
    assert page["has_more"]
    names: dict[str, str] = {}
    async for batch in client.batches.list(limit=2):
        assert batch.metadata is not None
        names.setdefault(batch.metadata["name"], batch.id)
    assert names["batch 1"] == made[1].id


async def test_a_batch_comes_into_the_list_some_time_after_it_was_made(
    model: ModelEndpoint, client: openai.AsyncOpenAI
) -> None:
    await model.change(batch_list_seconds=0.3)
    made = await submit(client, [line(0)])

    async def listed() -> list[str]:
        return [batch.id async for batch in client.batches.list()]

    assert made.id not in await listed()
    assert (await client.batches.retrieve(made.id)).id == made.id

    async def is_listed() -> bool:
        return made.id in await listed()

    await until(is_listed)


async def test_a_cancelled_batch_keeps_what_was_answered(
    model: ModelEndpoint, client: openai.AsyncOpenAI
) -> None:
    await model.change(batch_seconds=2)
    batch = await submit(client, [line(number) for number in range(100)])

    async def some_are_answered() -> bool:
        counts = (await client.batches.retrieve(batch.id)).request_counts
        return counts is not None and counts.completed > 0

    await until(some_are_answered)
    assert (await client.batches.cancel(batch.id)).status == "cancelling"
    batch, _ = await ended(client, batch.id)
    assert batch.status == "cancelled"
    assert batch.request_counts is not None
    output = await read(client, batch.output_file_id)
    assert 0 < len(output) == batch.request_counts.completed < 100
    with pytest.raises(openai.BadRequestError):
        await client.batches.cancel(batch.id)


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([line(1), line(1)], "duplicate_custom_id"),
        ([line(1, url="/v1/embeddings")], "invalid_url"),
        ([{"custom_id": "x", "method": "POST", "url": URL}], "missing_required_parameter"),
        ([], "empty_file"),
    ],
)
async def test_a_file_that_is_wrong_fails_the_batch(
    model: ModelEndpoint, client: openai.AsyncOpenAI, lines: list[dict[str, Any]], code: str
) -> None:
    await model.change(batch_seconds=0.1)
    batch, _ = await ended(client, (await submit(client, lines)).id)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert [error.code for error in batch.errors.data] == [code]
    assert (await model.stats()).batch_answered == 0


async def test_a_line_that_no_model_answers_is_an_error_of_its_own(
    model: ModelEndpoint, client: openai.AsyncOpenAI
) -> None:
    await model.change(batch_seconds=0.1, context_tokens=100)
    batch, _ = await ended(client, (await submit(client, [line(0), line(1, "word " * 999)])).id)
    assert batch.status == "completed"
    [error] = await read(client, batch.error_file_id)
    assert error["custom_id"] == "line-1"
    assert error["response"]["body"]["error"]["code"] == "context_length_exceeded"
    assert len(await read(client, batch.output_file_id)) == 1


async def test_batches_need_the_key_and_a_file_that_exists(
    model: ModelEndpoint, client: openai.AsyncOpenAI
) -> None:
    with pytest.raises(openai.NotFoundError):
        await client.batches.create(
            input_file_id="file-none", endpoint=URL, completion_window="24h"
        )
    with pytest.raises(openai.BadRequestError):
        await client.files.create(file=("a", b"x"), purpose="assistants")
    await model.change(api_key="secret")
    with pytest.raises(openai.AuthenticationError):
        await client.files.create(file=("a", b"x"), purpose="batch")
    with pytest.raises(openai.AuthenticationError):
        await client.batches.list()
