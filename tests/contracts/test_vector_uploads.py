"""How batches go to Qdrant, and what is said when it does not take them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from qdrant_client import AsyncQdrantClient

from graphmill.errors import Unavailable
from graphmill.models import CollectionKey
from graphmill.projections.records import Kind, Record
from graphmill.stores.qdrant.client import open_client
from graphmill.stores.qdrant.collections import Storing
from graphmill.stores.qdrant.vectors import QdrantVectors
from tests.published_vectors import number

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
]

KEY = CollectionKey("acme", "letters")
SECRET = "s3cr3t-key"


def records(count: int) -> list[Record]:
    return [Record(number(i), str(i), {"model": "m"}, vector=(1.0, float(i))) for i in range(count)]


async def test_batches_are_as_large_and_as_many_at_once_as_is_set_and_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upsert, sizes, in_the_air, most, waited = (
        AsyncQdrantClient.upsert,
        list[int](),
        0,
        0,
        set[bool](),
    )

    async def watched(self: AsyncQdrantClient, name: str, points: Any, **options: Any) -> Any:
        nonlocal in_the_air, most
        sizes.append(len(points))
        waited.add(options["wait"])
        in_the_air += 1
        most = max(most, in_the_air)
        await asyncio.sleep(0.01)
        in_the_air -= 1
        return await upsert(self, name, points, **options)

    monkeypatch.setattr(AsyncQdrantClient, "upsert", watched)
    vectors = QdrantVectors(AsyncQdrantClient(":memory:"), batch_size=100, parallel_uploads=4)
    await vectors.upsert(KEY, Kind.TEXT_UNIT_TEXT, records(950))
    assert sorted(sizes) == [50, *[100] * 9]
    assert most == 4
    assert waited == {True}


async def test_after_the_first_error_nothing_more_is_sent_and_nothing_is_in_the_air(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, ended = 0, 0

    async def failing(self: AsyncQdrantClient, *_: Any, **__: Any) -> Any:
        nonlocal begun, ended
        begun += 1
        number_of_this = begun
        await asyncio.sleep(0.01 * number_of_this)
        ended += 1
        if number_of_this == 2:
            raise OSError("gone")

    monkeypatch.setattr(AsyncQdrantClient, "upsert", failing)
    vectors = QdrantVectors(AsyncQdrantClient(":memory:"), batch_size=10, parallel_uploads=4)
    with pytest.raises(Unavailable):
        await vectors.upsert(KEY, Kind.TEXT_UNIT_TEXT, records(950))
    assert begun == ended
    assert begun < 8


@asynccontextmanager
async def answering_with(status: str, body: str, headers: str = "") -> AsyncGenerator[str]:
    """A server that has one answer; gives its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
            f"{headers}\r\n{body}".encode()
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        ("401 Unauthorized", f"<p>no such key: {SECRET}</p>", r"^Qdrant refuses the key; check"),
        ("403 Forbidden", '{"status": {"error": "forbidden"}}', r"^Qdrant refuses the key; check"),
        ("500 Error", f"<p>{SECRET} and a trace</p>", r"^Qdrant refuses with status 500$"),
        ("400 Bad", '{"status": {"error": "Wrong input: x"}}', r"status 400: Wrong input: x$"),
    ],
)
async def test_a_refusal_is_told_in_plain_words_without_the_key(
    status: str, body: str, words: str
) -> None:
    async with answering_with(status, body) as url, open_client(url, SECRET) as client:
        with pytest.raises(Unavailable, match=words) as told:
            await QdrantVectors(client).version(KEY)
    assert SECRET not in str(told.value)
    assert told.value.__suppress_context__


async def test_a_server_that_is_busy_tells_when_to_come_again() -> None:
    body = '{"status": {"error": "slow down"}}'
    async with (
        answering_with("429 Too Many", body, "Retry-After: 7\r\n") as url,
        open_client(url, None) as client,
    ):
        with pytest.raises(Unavailable, match="too much to do") as told:
            await QdrantVectors(client).version(KEY)
    assert told.value.retry_in == 7


async def test_a_server_that_is_gone_is_unavailable() -> None:
    async with answering_with("200 OK", "{}") as url:
        pass
    async with open_client(url, None) as client:
        with pytest.raises(Unavailable, match=r"^Qdrant does not answer \(ConnectError\); check"):
            await QdrantVectors(client, storing=Storing()).prepare()
