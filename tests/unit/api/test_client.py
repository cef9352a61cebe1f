"""graphmill.Client over the real API and PostgreSQL: what it sends is stored, and what is there
comes back."""

import hashlib
import io
import os
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest

import graphmill
from graphmill.application.folder import LeftOut
from graphmill.client import (
    Client,
    InvalidKey,
    InvalidRequest,
    NotFound,
    SyncClient,
    connection,
)
from graphmill.client.remote import RemoteGraphmill
from graphmill.embedded.ports import free_port
from graphmill.models import CollectionKey
from graphmill.uploads import UnreadableUpload, Upload
from tests.published_graph import publish
from tests.support.api_client import (
    HEALTHY,
    Answer,
    answering,
    api,
    client,
    ok,
    problem,
    without_pauses,
)

__all__ = ["api", "client", "without_pauses"]


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


def limits(**told: int) -> Answer:
    return ok({"document_bytes": 1000, "upload_bytes": 1000, "upload_files": 1000} | told)


async def test_no_request_holds_more_than_the_server_takes() -> None:
    sent: list[int] = []

    def store(request: httpx.Request) -> httpx.Response:
        sent.append(request.read().count(b'filename="file"'))
        return httpx.Response(200, json={"new": 0, "changed": 0, "unchanged": 0, "documents": []})

    files = {f"{n}.txt": b"x" * 100 for n in range(7)}
    for told, batches in (({"upload_files": 3}, [3, 3, 1]), ({"upload_bytes": 250}, [2, 2, 2, 1])):
        sent.clear()
        transport = answering(limits(**told), *[store] * len(batches))
        async with Client(transport=transport) as client:
            await client.upload("files", files)
        assert sent == batches


@pytest.mark.parametrize(
    ("told", "setting"),
    [
        ({"document_bytes": 10}, "GRAPHMILL_LIMIT_DOCUMENT_BYTES"),
        ({"upload_bytes": 10}, "GRAPHMILL_LIMIT_UPLOAD_BYTES"),
    ],
)
async def test_what_is_too_large_is_told_with_the_limit_that_it_is_over(
    told: dict[str, int], setting: str, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_bytes(b"x" * 11)
    for source in (tmp_path, {"a.txt": b"x" * 11}):
        async with Client(transport=answering(limits(**told))) as client:
            with pytest.raises(InvalidRequest, match=f"11 bytes, more than the 10 .*{setting}"):
                await client.upload("files", source)


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


def test_a_program_that_does_not_close_its_client_ends(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        "from graphmill.client import GraphmillError, SyncClient\n"
        f"client = SyncClient('http://127.0.0.1:{free_port()}', timeout=0.1)\n"
        "try:\n    client.health()\nexcept GraphmillError as error:\n    print(error)\n"
        "raise KeyError('of the program')\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=50,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 1
    assert "does not answer" in done.stdout
    assert done.stderr.rstrip().endswith("KeyError: 'of the program'")
