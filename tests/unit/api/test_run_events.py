"""How a run stands, as events: each change once, one reader for all who look on, and on from where
a connection dropped."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import cast
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from api.app import create_app
from api.run_events import RunEvent, RunEvents, event_of
from graphmill.api_keys import Scope
from graphmill.application.api_keys import ApiKeys
from graphmill.application.run_workflows import RunHandle
from graphmill.application.runs import Runs
from graphmill.embedded.home import Addresses
from graphmill.errors import NotFound, Unavailable
from graphmill.models import Phase, RunState
from graphmill.projections.standing import ProjectionStanding
from graphmill.run_status import DocumentTotals, RunStatus
from graphmill.settings import Settings
from graphmill.stores.postgres.api_keys import PostgresApiKeys, PostgresKeyring

RUN = RunHandle("r", "index/default/files", "files", "default", joined=False)
STATUS = RunStatus(
    run_id="r",
    workflow_id="index/default/files",
    tenant="default",
    collection="files",
    state=RunState.RUNNING,
    phase=Phase.DOCUMENTS,
    reason="",
    documents=DocumentTotals(total=3),
    failures=(),
    text_units=0,
    entities=0,
    relationships=0,
    communities=0,
    reports=0,
    processed=0,
    seconds=1.0,
)


class Stops(Exception):
    """The reader ends, and has told no end."""


class Told:
    """In the place of Runs: how a run stands is what the test says."""

    def __init__(self) -> None:
        self.readers = 0
        self.states: asyncio.Queue[RunStatus | Exception] = asyncio.Queue()

    async def wait(self, run: RunHandle) -> AsyncIterator[RunStatus]:
        self.readers += 1
        try:
            while True:
                state = await self.states.get()
                if isinstance(state, Stops):
                    return
                if isinstance(state, Exception):
                    raise state
                yield state
                if state.ended:
                    return
        finally:
            self.readers -= 1


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def events(told: Told) -> RunEvents:
    return RunEvents(cast(Runs, told), 60)


async def follow(events: RunEvents, into: list[RunEvent]) -> None:
    async for event in events.follow(RUN):
        into.append(event)


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_each_change_is_told_once_to_all_by_one_reader(told: Told, events: RunEvents) -> None:
    seen: list[list[RunEvent]] = [[], [], []]
    following = [asyncio.create_task(follow(events, into)) for into in seen]
    await settled()
    assert told.readers == 1
    one_done = replace(STATUS, documents=DocumentTotals(total=3, done=1))
    ended = replace(one_done, state=RunState.COMPLETED, phase=Phase.DONE)
    for state in (STATUS, replace(STATUS, seconds=2.0), one_done, ended):
        told.states.put_nowait(state)
        await settled()
    await asyncio.gather(*following)
    for into in seen:
        assert [event.name for event in into] == ["progress", "progress", "end"]
        assert [json.loads(event.data)["documents"]["done"] for event in into] == [0, 1, 1]
        assert len({event.id for event in into}) == 3
    assert told.readers == 0


async def test_who_comes_late_is_told_how_it_stands(told: Told, events: RunEvents) -> None:
    first: list[RunEvent] = []
    late: list[RunEvent] = []
    following = asyncio.create_task(follow(events, first))
    told.states.put_nowait(STATUS)
    await settled()
    joined = asyncio.create_task(follow(events, late))
    await settled()
    assert late == first == [event_of(STATUS)]
    following.cancel()
    await asyncio.wait([following])
    assert told.readers == 1  # for the other
    joined.cancel()
    await asyncio.wait([joined])
    await settled()
    assert told.readers == 0


async def test_where_the_process_ends_all_are_at_their_end_and_nobody_begins(
    told: Told, events: RunEvents
) -> None:
    into: list[RunEvent] = []
    following = [asyncio.create_task(follow(events, into)) for _ in range(3)]
    told.states.put_nowait(STATUS)
    await settled()
    assert (len(into), told.readers) == (3, 1)
    events.stop()
    await asyncio.wait_for(asyncio.gather(*following), 5)
    await follow(events, into)
    await settled()
    assert (len(into), told.readers) == (3, 0)


async def test_nobody_follows_for_ever_at_once(told: Told) -> None:
    """Neither where there is no news, nor where there always is."""
    events = RunEvents(cast(Runs, told), 0.2)
    into: list[RunEvent] = []
    following = asyncio.create_task(follow(events, into))
    told.states.put_nowait(STATUS)
    await asyncio.wait_for(following, 5)
    assert [event.name for event in into] == ["progress"]
    await settled()
    assert told.readers == 0

    following = asyncio.create_task(follow(events, into))
    async with asyncio.timeout(5):
        while not following.done():
            done = DocumentTotals(total=3, done=len(into))
            told.states.put_nowait(replace(STATUS, documents=done))
            await asyncio.sleep(0.01)
    assert len(into) > 2


async def test_what_ends_the_reader_ends_all(told: Told, events: RunEvents) -> None:
    following = [asyncio.create_task(follow(events, [])) for _ in range(2)]
    await settled()
    told.states.put_nowait(NotFound("the collection is gone"))
    for task in following:
        with pytest.raises(NotFound):
            await task


async def test_a_reader_that_stops_without_an_end_leaves_nobody_waiting(
    told: Told, events: RunEvents
) -> None:
    """As where Temporal goes away at the end."""
    into: list[RunEvent] = []
    following = asyncio.create_task(follow(events, into))
    told.states.put_nowait(STATUS)
    await settled()
    told.states.put_nowait(Stops())
    with pytest.raises(Unavailable):
        await asyncio.wait_for(following, 5)
    # Who comes then finds out anew.
    again = asyncio.create_task(follow(events, into))
    await settled()
    assert told.readers == 1
    again.cancel()


def test_the_time_that_a_store_is_behind_is_no_news() -> None:
    one, other = (
        replace(STATUS, projections=(ProjectionStanding("Neo4j", seconds),)) for seconds in (1, 2)
    )
    assert event_of(one).id == event_of(other).id
    ended = replace(one, state=RunState.COMPLETED)
    later = replace(ended, documents=DocumentTotals(total=9), projections=())
    assert event_of(ended).id == event_of(later).id != event_of(one).id


@pytest.fixture
async def ended_run(http: httpx.AsyncClient, pool: asyncpg.Pool) -> UUID:
    await http.post("/v1/collections", json={"name": "files"})
    id = uuid4()
    await pool.execute(
        "INSERT INTO runs (id, tenant, collection, workflow_id, method, state, phase, ended_at)"
        " VALUES ($1, 'default', 'files', 'index/default/files', 'fast', 'completed', 'done',"
        " now())",
        id,
    )
    return id


def fields(event: str) -> dict[str, str]:
    lines = (line.partition(": ") for line in event.splitlines() if not line.startswith(":"))
    return {name: value for name, _, value in lines}


async def test_an_ended_run_tells_its_end(http: httpx.AsyncClient, ended_run: UUID) -> None:
    answer = await http.get(f"/v1/runs/{ended_run}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    (event,) = filter(None, map(fields, answer.text.split("\n\n")))
    assert event["event"] == "end"
    shown = (await http.get(f"/v1/runs/{ended_run}")).json()
    assert json.loads(event["data"])["documents"] == shown["documents"]

    seen = {"Last-Event-ID": event["id"]}
    answer = await http.get(f"/v1/runs/{ended_run}/events", headers=seen)
    assert (answer.status_code, answer.content) == (204, b"")
    answer = await http.get(f"/v1/runs/{ended_run}/events", headers={"Last-Event-ID": "0" * 16})
    assert event["data"] in answer.text


async def test_a_run_of_another_is_not_followed(http: httpx.AsyncClient, ended_run: UUID) -> None:
    theirs = {"X-Tenant": "other"}
    # Temporal, which might know it, is away here.
    assert (await http.get(f"/v1/runs/{ended_run}/events", headers=theirs)).status_code == 503


@pytest.fixture
async def going_run(pool: asyncpg.Pool, http: httpx.AsyncClient) -> UUID:
    await http.post("/v1/collections", json={"name": "files"})
    id = uuid4()
    await pool.execute(
        "INSERT INTO runs (id, tenant, collection, workflow_id, method, state, phase)"
        " VALUES ($1, 'default', 'files', 'index/default/files', 'fast', 'running', 'documents')",
        id,
    )
    return id


async def test_a_revoked_key_follows_no_longer_than_its_stream_lasts(
    pool: asyncpg.Pool, database_url: str, going_run: UUID
) -> None:
    settings = Settings(api_require_keys=True, api_stream_seconds=1)
    app = create_app(settings, Addresses(database_url, "127.0.0.1:1"))
    keys = ApiKeys(PostgresApiKeys(pool), PostgresKeyring(pool))
    key, text = await keys.create("default", "a page", [Scope.READ])
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http,
    ):
        url, headers = f"/v1/runs/{going_run}/events", {"Authorization": f"Bearer {text}"}
        stream = asyncio.create_task(http.get(url, headers=headers))
        await asyncio.sleep(0.3)
        assert not stream.done()
        await keys.revoke("default", key.id)
        answer = await asyncio.wait_for(stream, 10)
        assert (answer.status_code, "event: progress" in answer.text) == (200, True)
        assert "retry: 1000" in answer.text
        assert "event: end" not in answer.text
        assert (await http.get(url, headers=headers)).status_code == 401


async def test_more_streams_than_are_taken_are_sent_away_for_a_while(
    database_url: str, going_run: UUID
) -> None:
    settings = Settings(api_streams=1, api_stream_seconds=1)
    app = create_app(settings, Addresses(database_url, "127.0.0.1:1"))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http,
    ):
        url = f"/v1/runs/{going_run}/events"
        stream = asyncio.create_task(http.get(url))
        await asyncio.sleep(0.3)
        refused = await http.get(url)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert "GRAPHMILL_API_STREAMS" in refused.json()["detail"]
        assert (await stream).status_code == 200
        assert (await http.get(url)).status_code == 200  # its place is free again
