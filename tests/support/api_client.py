"""graphmill.Client over the real API, or over answers that a test gives one after the other."""

import json
from collections.abc import AsyncIterator, Callable
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from api.app import create_app
from graphmill.client import (
    Client,
    connection,
)
from graphmill.embedded.home import Addresses
from graphmill.settings import Settings

Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(connection, "_LONGEST_PAUSE_SECONDS", 0.002)


@pytest.fixture
async def api(settings: Settings, database_url: str) -> AsyncIterator[httpx.ASGITransport]:
    app = create_app(settings, Addresses(database_url, "127.0.0.1:1"))
    async with app.router.lifespan_context(app):
        yield httpx.ASGITransport(app=app, raise_app_exceptions=False)


@pytest.fixture
async def client(api: httpx.ASGITransport) -> AsyncIterator[Client]:
    async with Client(transport=api) as client:
        yield client


def answering(*answers: Answer | Exception) -> httpx.MockTransport:
    """One after the other."""
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        given = left.pop(0)
        if isinstance(given, Exception):
            raise given
        return given(request)

    return httpx.MockTransport(answer)


def problem(status: int, detail: str = "what is wrong", **headers: str) -> Answer:
    content = json.dumps({"status": status, "title": "x", "detail": detail})
    kind = {"content-type": "application/problem+json"}
    return lambda request: httpx.Response(status, content=content, headers=kind | headers)


def ok(body: object) -> Answer:
    return lambda request: httpx.Response(200, json=body)


HEALTHY: dict[str, object] = {"ok": True, "version": "1", "parts": {}}


async def insert_run(pool: asyncpg.Pool, client: Client, state: str = "completed") -> UUID:
    await client.create_collection("files")
    id = uuid4()
    await pool.execute(
        "INSERT INTO runs (id, tenant, collection, workflow_id, method, state, phase, ended_at)"
        " VALUES ($1, 'default', 'files', 'index/default/files', 'fast', $2, 'done', now())",
        id,
        state,
    )
    return id


def events(*sent: tuple[str, str, str]) -> Answer:
    text = "".join(f"id: {id}\nevent: {name}\ndata: {data}\n\n" for id, name, data in sent)
    kind = {"content-type": "text/event-stream"}
    return lambda request: httpx.Response(200, content=text, headers=kind)
