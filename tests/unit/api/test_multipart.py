"""Uploads are streamed, bounded and checked."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest

from api.app import create_app
from graphmill.embedded.home import Addresses
from graphmill.settings import Settings

URL = "/v1/collections/files/documents"


def body(*parts: tuple[str, str | None, bytes], boundary: str = "xyz", end: bool = True) -> bytes:
    """(field, filename or None, content) as multipart/form-data, in this order."""
    out = b""
    for field, filename, content in parts:
        named = "" if filename is None else f'; filename="{filename}"'
        head = f'--{boundary}\r\ncontent-disposition: form-data; name="{field}"{named}\r\n\r\n'
        out += head.encode() + content + b"\r\n"
    return out + (f"--{boundary}--\r\n".encode() if end else b"")


async def post(http: httpx.AsyncClient, content: bytes) -> httpx.Response:
    headers = {"content-type": "multipart/form-data; boundary=xyz"}
    return await http.post(URL, content=content, headers=headers)


async def test_files_are_stored_as_they_were_sent(
    http: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    big = bytes(range(256)) * 10_000
    answer = await post(
        http, body(("files", "big.bin", big), ("files", "sub/ü.txt", b"text\r\n--xy"))
    )
    assert answer.status_code == 201, answer.text
    assert (answer.json()["new"], answer.json()["unchanged"]) == (2, 0)
    for name, content in (("big.bin", big), ("sub/ü.txt", b"text\r\n--xy")):
        parts = await pool.fetch(
            "SELECT bytes FROM contents c JOIN documents d USING (tenant, collection, version)"
            " WHERE d.name = $1 ORDER BY part",
            name,
        )
        assert b"".join(row["bytes"] for row in parts) == content
    versions = {d["name"]: d["version"] for d in answer.json()["documents"]}
    assert versions["big.bin"] == hashlib.sha256(big).hexdigest()
    again = await post(http, body(("files", "big.bin", big)))
    assert (again.json()["new"], again.json()["unchanged"]) == (0, 1)


async def test_a_creation_date_holds_for_the_files_that_follow_it(
    http: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    began = datetime.now(UTC)
    content = body(
        ("files", "now.txt", b"1"),
        ("creation_date", None, b"2024-05-06T07:08:09+02:00"),
        ("files", "then.txt", b"2"),
        ("files", "then too.txt", b"3"),
        ("creation_date", None, b"2023-01-01"),
        ("files", "before.txt", b"4"),
    )
    assert (await post(http, content)).status_code == 201
    rows = await pool.fetch("SELECT name, creation_date FROM documents")
    dates: dict[str, datetime] = {row["name"]: row["creation_date"] for row in rows}
    assert dates.pop("now.txt") >= began
    then = datetime(2024, 5, 6, 5, 8, 9, tzinfo=UTC)
    assert dates == {
        "then.txt": then,
        "then too.txt": then,
        "before.txt": datetime(2023, 1, 1, tzinfo=UTC),
    }


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"", 400, "ends too early"),
        (b"no multipart at all", 400, "not well formed"),
        (body(("files", "a.txt", b"cut"), end=False), 400, "ends too early"),
        (body(("creation_date", None, b"2024-01-01")), 400, "no file was sent"),
        (body(("files", "../a.txt", b"1")), 400, "document name"),
        (body(("files", "/etc/passwd", b"1")), 400, "document name"),
        (body(("files", "", b"1")), 400, "document name"),
        (
            body(("creation_date", None, b"yesterday"), ("files", "a", b"1")),
            400,
            "creation_date is",
        ),
        (body(("creationdate", None, b"2024-01-01")), 400, "unknown field 'creationdate'"),
        (body(("files", "a", b"1"), ("files", "a", b"2")), 400, "same name"),
        (body(("files", "big", b"x" * 5_000_001)), 413, "larger than the 5,000,000"),
        (body(("creation_date", None, b"x" * 4001)), 413, "too long"),
        (body(("creation_date", None, b"0001-01-01"), ("files", "a", b"1")), 400, "creation_date"),
        (
            body(("creation_date", None, b"0001-01-01T00:00:00+14:00"), ("files", "a", b"1")),
            400,
            "creation_date",
        ),
        (
            body(("creation_date", None, b"9999-12-31T23:59:59-14:00"), ("files", "a", b"1")),
            400,
            "creation_date",
        ),
        (body(*[("files", str(n), b"") for n in range(101)]), 413, "at most 100 files"),
    ],
)
async def test_what_is_wrong_is_told_and_nothing_is_stored(
    http: httpx.AsyncClient, pool: asyncpg.Pool, content: bytes, status: int, said: str
) -> None:
    answer = await post(http, content)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["detail"]
    assert await pool.fetchval("SELECT count(*) FROM documents") == 0


async def test_a_body_of_another_kind_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.post(URL, json={"files": []})
    assert (answer.status_code, answer.headers["content-type"]) == (415, "application/problem+json")


async def test_an_endless_body_is_cut_off(http: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield body(("files", "a.txt", b""), end=False).removesuffix(b"\r\n")
        while True:
            sent += 1_000_000
            yield b"x" * 1_000_000

    headers = {"content-type": "multipart/form-data; boundary=xyz"}
    answer = await http.post(URL, content=endless(), headers=headers)
    assert answer.status_code == 413
    assert sent <= 8_000_000


async def test_a_boundary_that_is_none_is_refused(http: httpx.AsyncClient) -> None:
    headers = {"content-type": f"multipart/form-data; boundary={'x' * 300}"}
    answer = await http.post(URL, content=b"--x", headers=headers)
    assert answer.status_code == 400
    assert "multipart body" in answer.json()["detail"]


async def half_an_upload(goes_on: asyncio.Event) -> AsyncIterator[bytes]:
    content = body(("files", "a.txt", b"text"))
    yield content[:70]
    await goes_on.wait()
    yield content[70:]


HEADERS = {"content-type": "multipart/form-data; boundary=xyz"}


@asynccontextmanager
async def served(settings: Settings, database_url: str) -> AsyncGenerator[httpx.AsyncClient]:
    app = create_app(settings, Addresses(database_url, "127.0.0.1:1"))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1"
        ) as http,
    ):
        yield http


async def test_an_upload_that_does_not_go_on_is_given_up(
    database_url: str, pool: asyncpg.Pool
) -> None:
    async with served(Settings(api_body_seconds=0.2), database_url) as http:
        async with asyncio.timeout(10):
            answer = await http.post(URL, content=half_an_upload(asyncio.Event()), headers=HEADERS)
        assert (answer.status_code, answer.headers["connection"]) == (408, "close")
        assert "GRAPHMILL_API_BODY_SECONDS" in answer.json()["detail"]
        assert await pool.fetchval("SELECT count(*) FROM documents") == 0


async def test_more_uploads_than_are_taken_are_sent_away_for_a_while(database_url: str) -> None:
    async with served(Settings(api_uploads=1), database_url) as http:
        goes_on = asyncio.Event()
        first = asyncio.create_task(
            http.post(URL, content=half_an_upload(goes_on), headers=HEADERS)
        )
        await asyncio.sleep(0.2)
        refused = await post(http, body(("files", "b.txt", b"text")))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert "GRAPHMILL_API_UPLOADS" in refused.json()["detail"]
        goes_on.set()
        assert (await first).status_code == 201
        assert (await post(http, body(("files", "b.txt", b"text")))).status_code == 201
