"""No body is held in memory before it is known to be small."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from api.body_limit import MAX_BODY_BYTES, BodyLimit


async def count(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


async def post(content: bytes | AsyncIterator[bytes], kind: str, path: str = "/") -> httpx.Response:
    transport = httpx.ASGITransport(app=BodyLimit(count, 30))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.post(path, content=content, headers={"content-type": kind})


async def in_parts(size: int) -> AsyncIterator[bytes]:
    for start in range(0, size, 65_536):
        yield b"x" * min(65_536, size - start)


@pytest.mark.parametrize("size", [0, 1, MAX_BODY_BYTES])
async def test_a_small_body_arrives_whole(size: int) -> None:
    assert (await post(b"x" * size, "application/json")).text == str(size)
    assert (await post(in_parts(size), "application/json")).text == str(size)


async def test_a_large_body_is_refused_with_or_without_its_length() -> None:
    for content in (b"x" * (MAX_BODY_BYTES + 1), in_parts(MAX_BODY_BYTES + 1)):
        answer = await post(content, "application/json")
        assert answer.status_code == 413
        assert "at most 1,000,000 bytes" in answer.json()["detail"]


MULTIPART = "Multipart/Form-Data; boundary=x"


async def test_an_upload_is_not_held_back() -> None:
    size = MAX_BODY_BYTES + 1
    answer = await post(in_parts(size), MULTIPART, "/v1/collections/files/documents")
    assert answer.text == str(size)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1/collections",
        "/v1/collections/files/query",
        "/v1/collections/files/index",
        "/v1/collections/files/documents/delete",
        "/v1/collections/a/b/documents",
    ],
)
async def test_what_calls_itself_an_upload_elsewhere_is_held_back(path: str) -> None:
    assert (await post(in_parts(MAX_BODY_BYTES + 1), MULTIPART, path)).status_code == 413


async def test_a_body_that_was_cut_off_is_no_other_request() -> None:
    """Before its first byte came, it might be taken for an empty one, which asks for defaults."""
    reached: list[str] = []

    async def reach(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["path"])

    async def cut_off() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        reached.append(message["type"])

    scope: Scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    await BodyLimit(reach, 30)(scope, cut_off, send)
    assert reached == []


@pytest.mark.parametrize("first", [b"", b"{"])
async def test_a_body_that_never_comes_is_not_waited_for(first: bytes) -> None:
    """Nor one that comes byte by byte: nobody was asked for a key."""

    async def dripping() -> AsyncIterator[bytes]:
        yield first
        while True:
            await asyncio.sleep(0.02)
            yield first

    transport = httpx.ASGITransport(app=BodyLimit(count, 0.2))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await asyncio.wait_for(client.post("/", content=dripping()), 10)
    assert (answer.status_code, answer.headers["connection"]) == (408, "close")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "GRAPHMILL_API_BODY_SECONDS" in answer.json()["detail"]
