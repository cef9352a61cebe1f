"""Who does not read is dropped, after a while or when the process ends; who reads slowly is not."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from api.serving import ImpatientProtocol
from tests.support.waiting import until

PART = b"x" * 100_000
# More than the buffers of both ends take.
PARTS = 400


class Served:
    def __init__(self) -> None:
        self.sent = 0
        self.open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.open += 1
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(PARTS):
                await send({"type": "http.response.body", "body": PART, "more_body": True})
                self.sent += 1
            await send({"type": "http.response.body", "body": b""})
        finally:
            self.open -= 1


@asynccontextmanager
async def serving(
    app: Served, stalled: float, ending: float = 2.0
) -> AsyncGenerator[tuple[uvicorn.Server, int]]:
    class Protocol(ImpatientProtocol):
        stalled_seconds = stalled
        ending_seconds = ending

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10_000)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=Protocol,
                lifespan="off",
                log_config=None,
                timeout_graceful_shutdown=60,
            )
        )
        # Not serve(): the signals are the tests'.
        task = asyncio.create_task(
            server._serve([listener])  # pyright: ignore[reportPrivateUsage]
        )
        await until(lambda: server.started)
        try:
            yield server, listener.getsockname()[1]
        finally:
            server.should_exit = True
            await asyncio.wait_for(task, 20)


async def ask(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return reader, writer


async def test_who_reads_nothing_is_dropped() -> None:
    app = Served()
    async with serving(app, stalled=0.5) as (_, port):
        _, writer = await ask(port)
        await until(lambda: app.open == 1)
        await until(lambda: app.open == 0, 5)
        writer.close()


async def test_who_reads_slowly_has_all_of_it() -> None:
    app = Served()
    async with serving(app, stalled=0.5) as (server, port):
        reader, writer = await ask(port)
        read = 0
        async with asyncio.timeout(30):
            while read < PARTS * len(PART):
                read += len(await reader.read(100_000))
                if read % 7 == 0:
                    await asyncio.sleep(0.01)
        assert app.sent == PARTS
        writer.close()
        await until(lambda: not server.server_state.connections)


@pytest.mark.parametrize("readers", [1, 20])
async def test_who_reads_nothing_holds_no_end_up(readers: int) -> None:
    app = Served()
    loop = asyncio.get_running_loop()
    async with serving(app, stalled=60, ending=0.5) as (server, port):
        opened = [await ask(port) for _ in range(readers)]
        await until(lambda: app.open == readers)
        await asyncio.sleep(0.5)
        assert app.open == readers
        began = loop.time()
        server.should_exit = True
        await until(lambda: not server.server_state.connections, 10)
        assert loop.time() - began < 5
        for _, writer in opened:
            writer.close()
