"""An API that is told to end sends its event streams away at once, gives what is in flight its time
and takes nothing new; who followed a run goes on where the next one is up."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from graphmill import Client
from graphmill.http_api.schemas import Run
from tests.support.api_process import ApiProcess
from tests.support.stack import Stack
from tests.support.waiting import until

STREAMS = 40
BOUNDARY = "a-boundary"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("shutdown"))
    stack.start()
    yield stack
    stack.stop()


async def paused_run(url: str, collection: str) -> UUID:
    """One that tells nothing more, until somebody has it go on."""
    async with Client(url) as client:
        texts = {f"{n}.txt": f"Ada met Charles {n} times.".encode() for n in range(40)}
        await client.upload(collection, texts)
        run = await client.index(collection)
        await client.pause(run.run_id)
        async for state in client.follow(run.run_id):
            if state.state == "paused":
                break
        return run.run_id


def open_http(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=url,
        trust_env=False,
        timeout=30,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
    )


async def follow(http: httpx.AsyncClient, run_id: UUID, into: list[str]) -> None:
    """Raises where the connection is cut and not ended."""
    async with http.stream("GET", f"/v1/runs/{run_id}/events") as response:
        async for line in response.aiter_lines():
            into.append(line)


class SlowUpload:
    """A file of two parts, the second of which comes when the test says so."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.goes_on = asyncio.Event()

    async def send(self, http: httpx.AsyncClient, collection: str) -> httpx.Response:
        return await http.post(
            f"/v1/collections/{collection}/documents",
            content=self._body(),
            headers={"content-type": f"multipart/form-data; boundary={BOUNDARY}"},
        )

    async def _body(self) -> AsyncIterator[bytes]:
        disposition = f'form-data; name="files"; filename="{self._name}"'
        yield f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
        yield b"first, "
        await self.goes_on.wait()
        yield f"second\r\n--{BOUNDARY}--\r\n".encode()


async def names(stack: Stack, collection: str) -> list[str]:
    assert stack.addresses is not None
    async with Client(stack.addresses.api_url) as client:
        return [document.name async for document in client.documents(collection)]


async def refused(url: str) -> bool:
    try:
        async with open_http(url) as http:
            await http.get("/health/live")
    except httpx.ConnectError:
        return True
    except httpx.TransportError:
        return False  # one that was let in just before
    return False


async def test_streams_end_at_once_and_an_upload_has_its_time(stack: Stack, tmp_path: Path) -> None:
    environment = {"GRAPHMILL_API_GRACE_SECONDS": "20"}
    with ApiProcess(stack, tmp_path / "api.log", environment) as api:
        run_id = await paused_run(api.url, "graceful")
        async with open_http(api.url) as http:
            told: list[list[str]] = [[] for _ in range(STREAMS)]
            streams = [asyncio.create_task(follow(http, run_id, into)) for into in told]
            upload = SlowUpload("late.txt")
            sent = asyncio.create_task(upload.send(http, "graceful"))
            async with asyncio.timeout(20):
                while not all(into for into in told):
                    await asyncio.sleep(0.05)
            api.end()
            began = time.monotonic()
            await asyncio.gather(*streams)
            assert time.monotonic() - began < 3
            for into in told:
                assert "event: progress" in into
                assert "retry: 1000" in into
                assert "event: end" not in into
            await until(lambda: refused(api.url), 3)
            await asyncio.sleep(5)  # longer than any other than the upload has
            assert api.runs
            upload.goes_on.set()
            answer = await sent
            assert (answer.status_code, answer.json()["new"]) == (201, 1)
            assert api.wait(5) == 0
    assert "late.txt" in await names(stack, "graceful")


async def test_what_is_cut_off_is_told_so_and_leaves_nothing(stack: Stack, tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with ApiProcess(stack, log, {"GRAPHMILL_API_GRACE_SECONDS": "2"}) as api:
        async with open_http(api.url) as http:
            stored = await http.post(
                "/v1/collections/cut/documents", files=[("files", ("first.txt", b"first"))]
            )
            assert stored.status_code == 201
        # httpx would not listen before all is sent.
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(
            b"POST /v1/collections/cut/documents HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: multipart/form-data; boundary=" + BOUNDARY.encode() + b"\r\n"
            b"Content-Length: 1000000\r\n\r\n--" + BOUNDARY.encode() + b"\r\n"
            b'Content-Disposition: form-data; name="files"; filename="never.txt"\r\n\r\nhalf of it'
        )
        await asyncio.sleep(0.5)
        api.end()
        answer = (await asyncio.wait_for(reader.read(), 10)).decode()
        writer.close()
        assert api.wait(5) == 0
    head, _, body = answer.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 503")
    told = json.loads(body)
    assert "may be done or not" in told["detail"]
    assert "nothing" not in told["detail"]  # something may have been committed
    assert f"x-request-id: {told['request_id']}" in head
    assert "content-type: application/problem+json" in head
    assert "retry-after: 5" in head
    assert await names(stack, "cut") == ["first.txt"]
    assert "Traceback" not in log.read_text()


async def test_who_follows_a_run_goes_on_at_the_next_server(stack: Stack, tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    states: list[Run] = []
    with ApiProcess(stack, log, {}) as api:
        run_id = await paused_run(api.url, "followed")
        client = Client(api.url)

        async def follow_to_the_end() -> None:
            async for state in client.follow(run_id):
                states.append(state)

        following = asyncio.create_task(follow_to_the_end())
        told = -1
        async with asyncio.timeout(20):
            while told < len(states) or not states:  # what was being read comes to its end
                told = len(states)
                await asyncio.sleep(2)
        api.end()
        assert api.wait(5) == 0
    await asyncio.sleep(1)
    with ApiProcess(stack, log, {}, api.port):
        await asyncio.sleep(2)
        assert len(states) == told  # and nothing once more
        assert states[-1].state == "paused"
        await client.resume(run_id)
        async with asyncio.timeout(60):
            await following
    assert states[-1].state == "completed"
    await client.close()


async def test_several_processes_end_as_one_does(stack: Stack, tmp_path: Path) -> None:
    with ApiProcess(stack, tmp_path / "api.log", {"UVICORN_WORKERS": "2"}) as api:
        run_id = await paused_run(api.url, "several")
        async with open_http(api.url) as http:
            told: list[list[str]] = [[] for _ in range(STREAMS)]
            streams = [asyncio.create_task(follow(http, run_id, into)) for into in told]
            async with asyncio.timeout(20):
                while not all(into for into in told):
                    await asyncio.sleep(0.05)
            api.end()
            await asyncio.wait_for(asyncio.gather(*streams), 5)
            assert all("retry: 1000" in into for into in told)
        assert api.wait(8) == 0


async def test_who_does_not_read_holds_no_end_up(stack: Stack, tmp_path: Path) -> None:
    with ApiProcess(stack, tmp_path / "api.log", {"GRAPHMILL_API_GRACE_SECONDS": "20"}) as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port, limit=1000)
        # Answers to more than the buffers of both ends take.
        writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 300)
        await asyncio.sleep(2)
        assert not reader.at_eof()
        api.end()
        assert api.wait(8) == 0
        writer.close()
