"""Who follows a run through graphmill.Client sees each change once, whatever drops on the way."""

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import httpx
import pytest

from graphmill.client import (
    Client,
    Conflict,
    GraphmillError,
    NotFound,
    Unavailable,
    connection,
)
from graphmill.models import RunState
from tests.support.api_client import (
    Answer,
    answering,
    api,
    client,
    events,
    insert_run,
    problem,
    without_pauses,
)

__all__ = ["api", "client", "without_pauses"]


async def test_a_run_is_followed_to_its_end(client: Client, pool: asyncpg.Pool) -> None:
    id = await insert_run(pool, client)
    states = [run.state async for run in client.follow(id)]
    assert states == [RunState.COMPLETED]
    assert (await client.wait(id)).run_id == id
    with pytest.raises(Conflict):
        await client.pause(id)


async def test_a_dropped_connection_is_opened_again_behind_what_was_seen(
    client: Client, pool: asyncpg.Pool
) -> None:
    run = (await client.run(await insert_run(pool, client))).model_dump_json()
    asked: list[str | None] = []

    def noting(answer: Answer) -> Answer:
        def note(request: httpx.Request) -> httpx.Response:
            asked.append(request.headers.get("last-event-id"))
            return answer(request)

        return note

    transport = answering(
        noting(events(("1", "progress", run), ("2", "progress", run))),
        httpx.ReadError("cut"),
        noting(problem(503)),
        noting(events(("3", "progress", run))),
        noting(lambda request: httpx.Response(204)),
    )
    async with Client(transport=transport) as other:
        assert len([one async for one in other.follow(uuid4())]) == 3
    assert asked == [None, "2", "2", "3"]

    gone = json.dumps({"status": 404, "title": "x", "detail": "the collection is gone"})
    async with Client(transport=answering(events(("1", "error", gone)))) as other:
        with pytest.raises(NotFound, match="gone"):
            await other.wait(uuid4())


async def test_an_outage_is_counted_from_its_own_beginning(
    client: Client, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not from that of a connection which held for long."""
    monkeypatch.setattr(connection, "_OUTAGE_SECONDS", 0.2)
    monkeypatch.setattr(connection, "_HELD_SECONDS", 0.1)
    run = (await client.run(await insert_run(pool, client))).model_dump_json()

    class Slow(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            await asyncio.sleep(0.5)
            raise httpx.ReadError("the server restarts")
            yield b""

    def slow(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Slow())

    async with Client(transport=answering(slow, events(("1", "end", run)))) as other:
        assert len([one async for one in other.follow(uuid4())]) == 1
    away = [httpx.ConnectError("no")] * 10_000
    async with Client(transport=answering(*away)) as other:
        with pytest.raises(Unavailable):
            await other.wait(uuid4())
    page = httpx.Response(200, text="<html>a proxy</html>")
    async with Client(transport=answering(lambda request: page)) as other:
        with pytest.raises(GraphmillError, match="no proxy's page"):
            await other.wait(uuid4())


async def test_who_is_sent_away_by_a_server_that_ends_waits_for_the_next(
    client: Client, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long ago there was news; and what tells of the server is no state of the run."""
    monkeypatch.setattr(connection, "_OUTAGE_SECONDS", 0.2)
    run = (await client.run(await insert_run(pool, client))).model_dump_json()

    class Ends(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield f"id: 1\nevent: progress\ndata: {run}\n\n".encode()
            await asyncio.sleep(0.5)
            yield b": the server ends: come again\nretry: 1000\n\n"

    def ends(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Ends())

    restarts = httpx.ConnectError("not up yet")
    async with Client(transport=answering(ends, restarts, events(("2", "end", run)))) as other:
        assert len([one async for one in other.follow(uuid4())]) == 2


async def test_an_endpoint_that_ends_its_events_before_the_first_is_given_up(
    client: Client, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After as long as one that is away."""
    monkeypatch.setattr(connection, "_OUTAGE_SECONDS", 0.2)
    run = (await client.run(await insert_run(pool, client))).model_dump_json()
    empty = [events()] * 100_000
    async with Client(transport=answering(*empty)) as other:
        with pytest.raises(Unavailable, match="ends its events"):
            await asyncio.wait_for(other.wait(uuid4()), 10)
    news = [events((str(n), "progress", run)) for n in range(3)]
    last = events(("9", "end", run))
    async with Client(transport=answering(*news, *empty[:3], last)) as other:
        assert len([one async for one in other.follow(uuid4())]) == 4
