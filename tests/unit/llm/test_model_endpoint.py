"""The simulated model behaves as it is told, over real HTTP."""

import asyncio
import math
import time
from collections import Counter
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import httpx
import openai
import psutil
import pytest

from tests.support.model_endpoint import Behaviour, ModelEndpoint, Stats, running_endpoint
from tests.support.model_endpoint.fixtures import http, model, model_process
from tests.support.model_endpoint.rate_limits import SlidingWindow
from tests.support.waiting import until

__all__ = ["http", "model", "model_process"]

CHAT = "chat/completions"


def question(text: str = "Ada Lovelace met Charles Babbage.", **more: Any) -> dict[str, Any]:
    messages = [
        {"role": "system", "content": "# extract_graph\nFind entities."},
        {"role": "user", "content": f"Here it is.\n<text>\n{text}\n</text>"},
    ]
    return {"model": "simulated", "messages": messages, "temperature": 0, **more}


async def ask(
    http: httpx.AsyncClient, text: str = "Ada Lovelace met Charles Babbage.", **more: Any
) -> httpx.Response:
    return await http.post(CHAT, json=question(text, **more))


async def ask_all(http: httpx.AsyncClient, calls: int) -> list[httpx.Response]:
    """Different questions, all at once."""
    return await asyncio.gather(*(ask(http, f"Text {n}.") for n in range(calls)))


def content_of(response: httpx.Response) -> str:
    return response.json()["choices"][0]["message"]["content"]


def error_of(response: httpx.Response) -> dict[str, Any]:
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def accounted(stats: Stats) -> int:
    ended = stats.answered + sum(stats.refused.values()) + sum(stats.faults.values()) + stats.left
    return ended + stats.in_air


async def test_the_openai_library_reads_its_answers(model: ModelEndpoint) -> None:
    client = openai.AsyncOpenAI(base_url=model.base_url, api_key="none", max_retries=0)
    async with client:
        chat = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Say something."}], max_tokens=100
        )
        assert chat.choices[0].message.content
        assert chat.choices[0].finish_reason == "stop"
        assert chat.usage is not None
        assert chat.usage.total_tokens == chat.usage.prompt_tokens + chat.usage.completion_tokens
        vectors = await client.embeddings.create(model="m", input=["one", "two", "one"])
        one, two, again = (item.embedding for item in vectors.data)
        assert len(one) == 256
        assert one == again != two
        assert math.isclose(sum(x * x for x in one), 1, rel_tol=1e-4)
        plain = await client.embeddings.create(
            model="m", input="one", encoding_format="float", dimensions=8
        )
        assert len(plain.data[0].embedding) == 8
        assert [found.id async for found in client.models.list()] == ["simulated"]


async def test_places_are_kept_busy_by_as_many_clients(model: ModelEndpoint) -> None:
    await model.change(places=50, seconds=0.2)
    async with AsyncExitStack() as stack:
        # A client each: one client's pool looks through all its connections at every call.
        clients = [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=model.base_url, trust_env=False, verify=False)
            )
            for _ in range(50)
        ]
        # What is asked is whether the model can: each client asks three times at once, and of
        # some seconds one is enough, lest a busy machine's stalls are what is measured.
        asking = [
            asyncio.create_task(_ask_on_and_on(client, f"{number} of {turn}"))
            for number, client in enumerate(clients)
            for turn in range(3)
        ]
        await asyncio.sleep(0.6)
        stats = await _second(model)
        for _ in range(5):
            if stats.busy_share < 0.95:
                stats = await _second(model)
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)
    assert stats.busy_share >= 0.95
    assert stats.steps["extract_graph"].busy_share == pytest.approx(stats.busy_share, abs=1e-6)
    assert stats.most_working == 50
    assert stats.begun == accounted(stats)
    assert len(stats.arrivals) == len(stats.arrival_tokens) == stats.distinct > 100


async def _second(model: ModelEndpoint) -> Stats:
    """What is counted in one."""
    await model.reset()
    await asyncio.sleep(1)
    return await model.stats()


async def _ask_on_and_on(http: httpx.AsyncClient, name: str) -> None:
    for number in count():
        assert (await ask(http, f"Text {number} of {name}.")).is_success


async def test_calls_wait_for_a_place_in_a_line_that_may_be_full(
    model: ModelEndpoint, http: httpx.AsyncClient
) -> None:
    await model.change(places=2, seconds=0.2, waiting_line=3, retry_after=0.5)
    responses = await ask_all(http, 8)
    statuses = Counter(response.status_code for response in responses)
    assert statuses == {200: 5, 429: 3}
    refused = next(response for response in responses if response.status_code == 429)
    assert refused.headers["retry-after"] == "0.5"
    assert error_of(refused)["code"] == "rate_limit_exceeded"
    stats = await model.stats()
    assert (stats.most_working, stats.refused) == (2, {"waiting_line": 3})
    assert stats.begun == accounted(stats) == 8
    assert stats.busy_seconds == pytest.approx(1.0, abs=0.15)


async def test_calls_over_the_places_are_refused_where_none_may_wait(
    model: ModelEndpoint, http: httpx.AsyncClient
) -> None:
    await model.change(places=2, seconds=0.2, refuse_over_places=True)
    statuses = Counter(response.status_code for response in await ask_all(http, 5))
    assert statuses == {200: 2, 429: 3}
    assert (await model.stats()).refused == {"places": 3}


async def test_more_places_are_given_to_those_who_wait(
    model: ModelEndpoint, http: httpx.AsyncClient
) -> None:
    await model.change(places=1, seconds=0.3)
    asked = asyncio.create_task(ask_all(http, 6))
    await until(lambda: _waits(model, 5))
    await model.change(places=6)
    await asked
    assert (await model.stats()).most_working == 6


async def _waits(model: ModelEndpoint, calls: int) -> bool:
    return (await model.stats(arrivals=False)).waiting == calls


async def test_requests_a_minute_are_refused_over_the_limit(
    model: ModelEndpoint, http: httpx.AsyncClient
) -> None:
    await model.change(requests_per_minute=5)
    responses = await ask_all(http, 8)
    refused = [response for response in responses if response.status_code == 429]
    assert len(refused) == 3
    assert all(50 <= int(response.headers["retry-after"]) <= 60 for response in refused)
    assert error_of(refused[0])["type"] == "requests"
    stats = await model.stats()
    assert stats.refused == {"requests_per_minute": 3}
    assert stats.most_requests_in(60) == 8
    await model.change(requests_per_minute=None)
    assert (await ask(http)).is_success


async def test_tokens_a_minute_are_counted_as_they_are_used(
    model: ModelEndpoint, http: httpx.AsyncClient
) -> None:
    # max_tokens would be over the limit at once.
    first = await ask(http, max_tokens=100_000)
    each = first.json()["usage"]["total_tokens"]
    await model.change(tokens_per_minute=3 * each + 1)
    await model.reset()
    statuses = [(await ask(http, max_tokens=100_000)).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    stats = await model.stats()
    assert stats.arrival_tokens == [each, each, each, 0]
    assert stats.most_tokens_in(60) == 3 * each
    assert stats.refused == {"tokens_per_minute": 1}


def test_no_stretch_of_a_minute_holds_more_than_the_limit() -> None:
    window = SlidingWindow(10)
    window.add(6, 0)
    window.add(4, 30)
    assert window.wait(1, 59.5) == 0.5
    assert window.wait(7, 59.5) == 30.5
    assert window.wait(6, 60) == 0
    assert window.wait(11, 60) == math.inf


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_errors_are_drawn(model: ModelEndpoint, http: httpx.AsyncClient, status: int) -> None:
    await model.change(**{f"rate_{status}": 1, "retry_after": 2})
    response = await ask(http)
    assert response.status_code == status
    assert error_of(response)["message"]
    assert response.headers.get("retry-after") == (None if status == 500 else "2")
    stats = await model.stats()
    assert stats.faults == {str(status): 1}
    assert stats.begun == accounted(stats) == 1


async def test_a_call_that_hangs_holds_its_place_until_its_client_leaves(
    model: ModelEndpoint, http: httpx.AsyncClient
) -> None:
    await model.change(rate_hang=1, places=1)
    with pytest.raises(httpx.ReadTimeout):
        await http.post(CHAT, json=question(), timeout=0.3)
    await model.change(rate_hang=0)
    assert (await ask(http)).is_success
    stats = await model.stats()
    assert (stats.faults, stats.answered, stats.working) == ({"hang": 1}, 1, 0)


async def test_clients_that_leave_free_their_place_and_their_place_in_the_line(
    model: ModelEndpoint, http: httpx.AsyncClient
) -> None:
    await model.change(places=1, seconds=30)
    calls = [asyncio.create_task(ask(http, f"Text {number}.")) for number in range(3)]
    await until(lambda: _waits(model, 2))
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    await until(lambda: _is_idle(model))
    stats = await model.stats()
    assert (stats.left, stats.waiting, stats.working) == (3, 0, 0)
    await model.change(seconds=0)
    assert (await ask(http)).is_success


async def _is_idle(model: ModelEndpoint) -> bool:
    return (await model.stats(arrivals=False)).in_air == 0


async def test_connections_are_cut_after_the_headers_or_amid_the_body(
    model: ModelEndpoint, http: httpx.AsyncClient
) -> None:
    await model.change(rate_cut=1)
    lengths: set[int] = set()
    for _ in range(12):
        async with http.stream("POST", CHAT, json=question()) as response:
            assert response.status_code == 200
            received: list[bytes] = []
            with pytest.raises(httpx.RemoteProtocolError):
                await _receive(response, received)
            lengths.add(sum(len(part) for part in received))
    assert len(lengths) == 2
    assert min(lengths) == 0
    stats = await model.stats()
    assert (stats.faults, stats.answered) == ({"cut": 12}, 0)


async def _receive(response: httpx.Response, parts: list[bytes]) -> None:
    async for part in response.aiter_raw():
        parts.append(part)


async def test_truncated_answers_say_so_or_not(
    model: ModelEndpoint, http: httpx.AsyncClient
) -> None:
    whole = content_of(await ask(http))
    await model.reset()
    await model.change(rate_truncated=1)
    responses = [await ask(http) for _ in range(12)]
    assert {content_of(response) for response in responses} == {whole[: len(whole) // 2]}
    reasons = {response.json()["choices"][0]["finish_reason"] for response in responses}
    assert reasons == {"length", "stop"}
    stats = await model.stats()
    assert stats.faults == {"truncated": 12}
    # It was asked again and again, but never answered.
    assert (stats.repeats, stats.repeats_of_answered) == (11, 0)


async def test_an_answer_longer_than_allowed_ends_there(
    model: ModelEndpoint, http: httpx.AsyncClient
) -> None:
    response = await ask(http, max_tokens=10)
    assert response.json()["choices"][0]["finish_reason"] == "length"
    assert response.json()["usage"]["completion_tokens"] == 10
    assert (await model.stats()).faults == {"max_tokens": 1}


async def test_bodies_trickle(model: ModelEndpoint, http: httpx.AsyncClient) -> None:
    whole = content_of(await ask(http))
    await model.change(rate_trickle=1, trickle_seconds=0.4)
    began = time.monotonic()
    async with http.stream("POST", CHAT, json=question()) as response:
        parts = [part async for part in response.aiter_raw()]
    assert time.monotonic() - began >= 0.3
    assert len(parts) > 5
    assert content_of(httpx.Response(200, content=b"".join(parts))) == whole
    assert (await model.stats()).slips == {"trickle": 1}


async def test_slips_lose_nothing(model: ModelEndpoint, http: httpx.AsyncClient) -> None:
    whole = content_of(await ask(http))
    await model.change(rate_fenced=1)
    assert content_of(await ask(http)) == f"```json\n{whole}\n```"
    await model.change(rate_fenced=0, rate_trailing_comma=1)
    assert content_of(await ask(http)) == f"{whole[:-1]},}}"
    stats = await model.stats()
    assert (stats.answered, stats.slips) == (3, {"fenced": 1, "trailing_comma": 1})


async def test_faults_are_drawn_anew_at_every_try_and_alike_for_a_seed(
    model: ModelEndpoint, http: httpx.AsyncClient
) -> None:
    rates = {"rate_429": 0.3, "rate_500": 0.3}
    series: list[list[int]] = []
    for seed in (1, 1, 2):
        await model.change(seed=seed, **rates)
        series.append([(await ask(http)).status_code for _ in range(30)])
    assert series[0] == series[1] != series[2]
    assert set(series[0]) == {200, 429, 500}


@pytest.mark.parametrize(
    ("structured", "taken"),
    [
        ("json_schema", {"json_schema", "json_object", "text"}),
        ("json_object", {"json_object", "text"}),
        ("none", {"text"}),
    ],
)
async def test_only_supported_response_formats_are_taken(
    model: ModelEndpoint, http: httpx.AsyncClient, structured: str, taken: set[str]
) -> None:
    await model.change(structured=structured)
    for type in ("json_schema", "json_object", "text"):
        given: dict[str, Any] = {
            "type": type,
            "json_schema": {"name": "extract_graph", "schema": {}},
        }
        response = await ask(http, response_format=given)
        assert response.status_code == (200 if type in taken else 400)
        if type not in taken:
            assert "response_format" in error_of(response)["message"]


async def test_keys_models_lengths_and_contents_are_checked(
    model: ModelEndpoint, http: httpx.AsyncClient
) -> None:
    await model.change(api_key="secret", models=["known"], context_tokens=50, filtered="tabu")
    for headers in ({}, {"authorization": "Bearer wrong"}):
        for response in (
            await http.post(CHAT, json=question(model="known"), headers=headers),
            await http.get("models", headers=headers),
        ):
            assert response.status_code == 401
            assert error_of(response)["code"] == "invalid_api_key"
    http.headers["authorization"] = "Bearer secret"
    assert (await ask(http, model="known")).is_success
    unknown = await ask(http, model="other")
    assert (unknown.status_code, error_of(unknown)["code"]) == (404, "model_not_found")
    long = await ask(http, "word " * 50, model="known")
    assert (long.status_code, error_of(long)["code"]) == (400, "context_length_exceeded")
    filtered = await ask(http, "A tabu.", model="known")
    assert (filtered.status_code, error_of(filtered)["code"]) == (400, "content_filter")
    stats = await model.stats()
    assert stats.refused == {"api_key": 2, "model": 1, "context": 1, "filtered": 1}
    assert stats.begun == accounted(stats) == 6


async def test_what_is_no_request_is_refused(model: ModelEndpoint, http: httpx.AsyncClient) -> None:
    for content in (b"{", b"[]", b'{"model": "m"}', b'{"messages": [{}]}'):
        response = await http.post(CHAT, content=content)
        assert response.status_code == 400
        error_of(response)
    assert (await http.get(CHAT)).status_code == 405
    nowhere = await http.get("nowhere")
    assert nowhere.status_code == 404
    error_of(nowhere)
    assert (await model.stats()).refused == {"bad_request": 4}


async def test_repeats_are_seen_by_what_is_asked(
    model: ModelEndpoint, http: httpx.AsyncClient
) -> None:
    await ask(http, "One.")
    await ask(http, "One.", user="somebody")
    await ask(http, "One.", temperature=1)
    await ask(http, "Two.")
    stats = await model.stats()
    assert (stats.distinct, stats.repeats, stats.repeats_of_answered) == (3, 1, 1)


async def test_counting_anew_keeps_what_is_in_the_air(
    model: ModelEndpoint, http: httpx.AsyncClient
) -> None:
    await ask(http)
    await model.change(seconds=0.4)
    call = asyncio.create_task(ask(http))
    await until(lambda: _works(model))
    await model.reset()
    stats = await model.stats()
    assert (stats.begun, stats.in_air, stats.answered, stats.distinct) == (1, 1, 0, 0)
    await call
    stats = await model.stats()
    assert stats.begun == accounted(stats) == stats.answered == 1
    assert stats.steps["extract_graph"].answered == 1
    assert 0 < stats.busy_seconds < 0.45


async def _works(model: ModelEndpoint) -> bool:
    return (await model.stats(arrivals=False)).working == 1


async def test_a_behaviour_that_does_not_exist_is_refused(
    model: ModelEndpoint, http: httpx.AsyncClient
) -> None:
    for fields in ({"rate_hangs": 1}, {"places": 0}, {"rate_429": 0.6, "rate_500": 0.6}):
        with pytest.raises(ValueError, match=r"rate_|places"):
            await model.change(**fields)
        refused = await http.post(f"{model.url}/control/behaviour", json=fields)
        assert refused.status_code == 400
    shown = await http.get(f"{model.url}/control/behaviour")
    assert shown.json() == Behaviour().to_json()


async def test_it_is_killed_started_again_on_its_port_and_gone_at_the_end() -> None:
    async with (
        running_endpoint(Behaviour(seconds=30)) as model,
        httpx.AsyncClient(base_url=model.base_url, trust_env=False) as http,
    ):
        first = model.pid
        call = asyncio.create_task(ask(http))
        await until(lambda: _works(model))
        model.kill()
        with pytest.raises(httpx.TransportError):
            await call
        with pytest.raises(httpx.ConnectError):
            await ask(http)
        await model.start_again()
        second = model.pid
        await model.change(seconds=0)
        assert (await ask(http)).is_success
        assert (await model.stats()).begun == 1
    assert not psutil.pid_exists(first)
    assert not psutil.pid_exists(second)
