"""graphmill.Client over the real API and PostgreSQL: what it sends is stored, what is wrong is one
of its errors, what passes is tried again."""

import asyncio
import hashlib
import io
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

import graphmill
from api.app import create_app
from graphmill.application.folder import LeftOut
from graphmill.client import (
    Client,
    Conflict,
    GraphmillError,
    InvalidKey,
    InvalidRequest,
    NotAllowed,
    NotFound,
    SyncClient,
    Unavailable,
    connection,
)
from graphmill.client.remote import RemoteGraphmill
from graphmill.embedded.home import Addresses
from graphmill.models import CollectionKey, RunState
from graphmill.settings import Settings
from graphmill.uploads import UnreadableUpload, Upload
from tests.published_graph import publish

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


async def test_a_folder_is_uploaded_with_names_and_dates(client: Client, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name, text in (("b.txt", "one"), ("sub/a.txt", "two"), (".hidden", "no")):
        (tmp_path / name).write_text(text)
    batches: list[int] = []
    stored = await client.upload("files", tmp_path, on_batch=batches.append)
    assert (stored.new, stored.changed, stored.unchanged, batches) == (2, 0, 0, [2])
    listed = [document async for document in client.documents("files")]
    assert [document.name for document in listed] == ["b.txt", "sub/a.txt"]
    modified = (tmp_path / "b.txt").stat().st_mtime_ns // 1000
    assert listed[0].creation_date.timestamp() == pytest.approx(modified / 1e6, abs=1e-6)
    assert (await client.upload("files", str(tmp_path))).unchanged == 2
    (tmp_path / "b.txt").write_text("other")
    assert (await client.upload("files", [tmp_path / "b.txt"])).changed == 1
    shown = await client.document("files", listed[0].id)
    assert (shown.size, shown.model.calls) == (5, 0)


async def test_bytes_are_uploaded_under_their_names(client: Client) -> None:
    date = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    await client.upload("files", {"ü/x.md": b"# X"}, creation_date=date)
    (document,) = [document async for document in client.documents("files")]
    assert (document.name, document.creation_date) == ("ü/x.md", date)


async def test_a_file_that_cannot_be_read_is_not_left_out_in_silence(
    client: Client, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InvalidRequest, match="leads nowhere"):
        await client.upload("files", tmp_path)
    with pytest.raises(NotFound):
        await client.collection("files")
    told: list[str] = []
    stored = await client.upload("files", tmp_path, on_left_out=lambda one: told.append(one.path))
    assert stored.new == 1
    assert told == [str(tmp_path / "gone.txt")]


async def test_a_file_that_the_server_finds_too_large_stops_no_other(
    client: Client, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "large.txt").write_bytes(b"x" * 5_000_001)
    with pytest.raises(InvalidRequest, match="5,000,001 bytes"):
        await client.upload("files", tmp_path)
    with pytest.raises(NotFound):  # nothing was sent
        await client.collection("files")
    for source in (tmp_path, {"a.txt": b"x", "large.txt": b"x" * 5_000_001}):
        left_out: list[LeftOut] = []
        stored = await client.upload("files", source, on_left_out=left_out.append)
        assert [one.name for one in stored.documents] == ["a.txt"]
        assert [one.name for one in left_out] == ["large.txt"]
        assert "more than the 5,000,000" in left_out[0].reason


async def test_commands_leave_out_what_the_server_finds_too_large(client: Client) -> None:
    date = datetime(2024, 5, 6, tzinfo=UTC)
    large, small = (
        Upload(name, hashlib.sha256(data).digest(), len(data), date, partial(io.BytesIO, data))
        for name, data in (("large.txt", b"x" * 5_000_001), ("small.txt", b"x"))
    )
    left_out: list[UnreadableUpload] = []
    documents = RemoteGraphmill.over(client, "default").documents
    key = CollectionKey("default", "files")
    counts = await documents.upload(key, [large, small], on_unreadable=left_out.append)
    assert counts.new == 1
    assert [(one.name, "5,000,001 bytes" in one.words) for one in left_out] == [("large.txt", True)]


async def test_a_server_that_says_no_limits_is_sent_everything() -> None:
    stored: dict[str, object] = {"new": 1, "changed": 0, "unchanged": 0, "documents": []}
    async with Client(transport=answering(problem(404), ok(stored), ok(stored))) as client:
        for _ in range(2):  # it is asked once
            await client.upload("files", {"large.txt": b"x" * 6_000_000})


async def test_many_files_go_in_several_requests(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphmill.client.uploads._BATCH_FILES", 3)
    batches: list[int] = []
    files = {f"{n}.txt": str(n).encode() for n in range(8)}
    stored = await client.upload("files", files, on_batch=batches.append)
    assert (stored.new, len(stored.documents), batches) == (8, 8, [3, 3, 2])


async def test_a_graph_is_read_page_by_page(
    client: Client, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = b"# C\n\nAda Lovelace met Charles Babbage in London. Charles Babbage met Ada Lovelace."
    await publish(pool, CollectionKey("default", "files"), {"a.md": text, "b.md": text + b" Yes."})
    monkeypatch.setattr(connection, "PAGE", 1)
    entities = [entity async for entity in client.entities("files")]
    assert [entity.title for entity in entities] == sorted(entity.title for entity in entities)
    assert len(entities) > 1
    neighbours = [one async for one in client.neighbours("files", entities[0].id)]
    assert {entities[0].title} <= {neighbours[0].source, neighbours[0].target}
    assert [one.community async for one in client.communities("files")] == [0]
    assert [one.community async for one in client.reports("files", level=0)] == [0]
    answer = await client.query("files", "Who met Charles Babbage?")
    assert answer.citations
    assert [one.name async for one in client.collections()] == ["files"]
    await client.create_collection("more")
    assert [one.name async for one in client.collections()] == ["files", "more"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest),
        (413, InvalidRequest),
        (422, InvalidRequest),
        (401, InvalidKey),
        (403, NotAllowed),
        (404, NotFound),
        (409, Conflict),
        (418, GraphmillError),
        (500, GraphmillError),
    ],
)
async def test_what_is_wrong_is_one_of_its_errors(status: int, kind: type[GraphmillError]) -> None:
    async with Client(transport=answering(problem(status, "the collection has no such"))) as client:
        with pytest.raises(kind, match="the collection has no such") as raised:
            await client.collection("x")
    assert type(raised.value) is kind


async def test_what_passes_is_tried_again_with_the_same_key() -> None:
    keys: list[str] = []
    run = {"run_id": str(uuid4()), "workflow_id": "w", "collection": "c", "joined": False}

    def noting(answer: Answer) -> Answer:
        def note(request: httpx.Request) -> httpx.Response:
            keys.append(request.headers["idempotency-key"])
            return answer(request)

        return note

    transport = answering(
        noting(problem(503)), httpx.ConnectError("refused"), noting(problem(502)), noting(ok(run))
    )
    async with Client(transport=transport) as client:
        assert str((await client.index("c")).run_id) == run["run_id"]
    assert len(keys) == 3
    assert len(set(keys)) == 1


async def test_a_server_that_stays_away_is_unavailable() -> None:
    for down in (httpx.ConnectError("no"), problem(503, "PostgreSQL does not answer")):
        async with Client(transport=answering(*[down] * 5)) as client:
            with pytest.raises(Unavailable, match="does not answer"):
                await client.collection("c")


async def test_what_is_no_answer_of_ours_is_said_so() -> None:
    page = httpx.Response(200, text="<html>a proxy</html>")
    async with Client(transport=answering(lambda request: page)) as client:
        with pytest.raises(GraphmillError, match="is it graphmill"):
            await client.collection("c")
    broken = httpx.Response(404, text="<html>secret</html>")
    async with Client(transport=answering(lambda request: broken)) as client:
        with pytest.raises(NotFound, match="answered 404") as raised:
            await client.collection("c")
    assert "secret" not in str(raised.value)


async def test_key_tenant_and_address_come_from_arguments_or_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def show(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "graphmill.example"
        assert request.headers["authorization"] == "Bearer gmk_x"
        assert request.headers["x-tenant"] == "us"
        return httpx.Response(200, json=HEALTHY)

    monkeypatch.setenv("GRAPHMILL_URL", "https://graphmill.example/")
    monkeypatch.setenv("GRAPHMILL_API_KEY", "gmk_x")
    async with Client(tenant="us", transport=answering(show)) as client:
        assert (await client.health()).ok
    assert "gmk_x" not in repr(client)


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


async def test_a_run_is_followed_to_its_end(client: Client, pool: asyncpg.Pool) -> None:
    id = await insert_run(pool, client)
    states = [run.state async for run in client.follow(id)]
    assert states == [RunState.COMPLETED]
    assert (await client.wait(id)).run_id == id
    with pytest.raises(Conflict):
        await client.pause(id)


def events(*sent: tuple[str, str, str]) -> Answer:
    text = "".join(f"id: {id}\nevent: {name}\ndata: {data}\n\n" for id, name, data in sent)
    kind = {"content-type": "text/event-stream"}
    return lambda request: httpx.Response(200, content=text, headers=kind)


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


async def test_what_may_have_been_done_is_not_asked_for_again() -> None:
    late = httpx.ReadTimeout("late")
    async with Client(transport=answering(late)) as client:
        with pytest.raises(Unavailable):
            await client.query("c", "Who?")
    for error in (httpx.ReadError("cut"), problem(503, "the documents are being deleted")):
        async with Client(transport=answering(error)) as client:
            with pytest.raises(Unavailable):
                await client.delete_collection("c")
    done = answering(httpx.ConnectError("no"), lambda request: httpx.Response(204))
    async with Client(transport=done) as client:
        await client.delete_collection("c")


async def test_names_come_through_as_they_are(client: Client) -> None:
    names = ['say "hi".txt', "a%22b.txt", "C:\\x.txt", "ü ß.md", "a;b=c.txt"]
    files = {name: name.encode() for name in names}
    assert (await client.upload("files", files)).new == len(names)
    listed = [document.name async for document in client.documents("files")]
    assert listed == sorted(names)
    assert (await client.upload("files", files)).unchanged == len(names)


@pytest.mark.parametrize("key", ["gmk_\u00fc", "gmk_a\nX-Tenant: other", "gmk_\0"])
def test_a_key_that_no_header_takes_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(InvalidKey) as raised:
        Client(api_key=key)
    assert "gmk_" not in str(raised.value)


def test_the_synchronous_face_does_the_same() -> None:
    run = {"run_id": str(uuid4()), "workflow_id": "w", "collection": "c", "joined": True}
    page: dict[str, object] = {"collections": [], "next": None}
    with SyncClient(transport=answering(ok(run), ok(page), problem(404))) as client:
        assert client.index("c").joined
        assert list(client.collections()) == []
        with pytest.raises(NotFound):
            client.collection("c")


def test_both_have_the_same_methods() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert public(Client) == public(SyncClient)
    assert (graphmill.Client, graphmill.SyncClient) == (Client, SyncClient)
