"""A real Temporal server for tests, as `graphmill up` starts it: same options, a file database."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from temporalio.client import Client

from graphmill.embedded.home import Home
from graphmill.embedded.ports import free_port
from graphmill.embedded.temporal_binary import find_or_get
from graphmill.embedded.temporal_server import TemporalServer
from graphmill.search_attributes import ensure_search_attributes

_START_SECONDS = 30


def find_program(home: Home) -> str:
    """The temporal CLI, which is the server's program too."""
    return str(asyncio.run(find_or_get(home, print)))


@contextmanager
def temporal_server(folder: Path) -> Generator[str]:
    """The address of a server of its own in this folder; it has the search attributes."""
    home = Home.at(folder)
    home.create()
    binary = asyncio.run(find_or_get(home, print))
    server = TemporalServer(home, binary, free_port(), free_port(), namespace="default")
    part = server.part()
    part.prepare()
    with home.open_log("temporal") as log:
        process = subprocess.Popen(
            part.command, stdout=log, stderr=log, cwd=part.folder, start_new_session=True
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not asyncio.run(server.is_ready()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"no Temporal server: {home.log('temporal').read_text()[-2000:]}"
                )
            time.sleep(0.05)
        asyncio.run(_prepare(server.address))
        yield server.address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


async def _prepare(address: str) -> None:
    await ensure_search_attributes(await Client.connect(address))
