"""Pages in a browser cannot reach the API through the reader's own machine."""

import httpx
import pytest
from starlette.responses import PlainTextResponse

from api.guard import LoopbackGuard


async def ask(headers: dict[str, str]) -> httpx.Response:
    transport = httpx.ASGITransport(app=LoopbackGuard(PlainTextResponse("let in")))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        return await client.post("/", headers=headers)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000"])
async def test_names_of_loopback_are_let_in(host: str) -> None:
    assert (await ask({"host": host})).text == "let in"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8000", "", "[", "a@b"],
)
async def test_other_names_that_point_here_are_refused(host: str) -> None:
    answer = await ask({"host": host})
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9000", "https://127.0.0.1:8000"]
)
async def test_pages_of_other_origins_are_refused(origin: str) -> None:
    answer = await ask({"host": "127.0.0.1:8000", "origin": origin})
    assert answer.status_code == 403


async def test_the_apis_own_pages_are_let_in() -> None:
    own = {"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:8000"}
    assert (await ask(own)).text == "let in"
