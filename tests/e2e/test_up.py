"""`graphmill up` with everything real: it serves, mends itself, stops clean and goes on."""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import httpx
import psutil
import pytest
from temporalio.client import Client

from graphmill.embedded import processes
from graphmill.embedded.home import Addresses, Home, HomeLock

_Found = TypeVar("_Found")
_COMMAND = (sys.executable, "-P", "-m", "graphmill.cli", "up")
# Generous: pipelines run this beside other tests on few cores.
_SECONDS = 90


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A new home, and free ports, in the environment of what is started."""
    for name in ("TEMPORAL_ADDRESS", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("TEMPORAL_PORT", "TEMPORAL_UI_PORT", "API_PORT"):
        monkeypatch.setenv(f"GRAPHMILL_{name}", "0")
    monkeypatch.setenv("GRAPHMILL_CPU_WORKERS", "1")
    home = Home.at(tmp_path / "home")
    monkeypatch.setenv("GRAPHMILL_HOME", str(home.path))
    return home


@asynccontextmanager
async def _up(home: Home) -> AsyncGenerator[tuple[Process, Addresses]]:
    process = await asyncio.create_subprocess_exec(*_COMMAND)

    async def addresses() -> Addresses | None:
        assert process.returncode is None, "it ended by itself"
        return home.read_addresses()

    try:
        yield process, await _until(addresses)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _until(ask: Callable[[], Awaitable[_Found | None]]) -> _Found:
    deadline = time.monotonic() + _SECONDS
    while True:
        found = await ask()
        if found:
            return found
        assert time.monotonic() < deadline, f"{ask.__name__}: not within {_SECONDS} s"
        await asyncio.sleep(0.1)


def _victims(home: Home) -> dict[str, psutil.Process]:
    """The processes that a stack's parts are, by what they are."""
    found: dict[str, psutil.Process] = {}
    for process in processes.marked(home.path):
        try:
            words = " ".join(process.cmdline())
            leads = os.getpgid(process.pid) == process.pid
        except (psutil.Error, OSError):
            continue
        for name, sign in (
            ("worker-workflow", "-m workers workflow"),
            ("worker-cpu", "-m workers cpu"),
            ("worker-io", "-m workers llm"),
            ("api", "-m api"),
            ("temporal", "server start-dev"),
            ("postgres", "/bin/postgres -D"),
        ):
            if leads and sign in words:
                found[name] = process
    return found


async def _healthy(api_url: str) -> bool:
    try:
        async with httpx.AsyncClient(timeout=5) as client:
            answer = await client.get(f"{api_url}/health")
    except httpx.HTTPError:
        return False
    return answer.status_code == 200 and bool(answer.json()["ok"])


async def test_killed_parts_come_back_one_signal_stops_all_and_it_goes_on(home: Home) -> None:
    async with _up(home) as (process, addresses):
        api_url, temporal_address = addresses.api_url, addresses.temporal_address
        assert api_url is not None
        assert temporal_address is not None

        async def healthy() -> bool:
            return await _healthy(api_url)

        async def complete() -> dict[str, psutil.Process] | None:
            found = _victims(home)
            return found if len(found) == 6 else None

        await _until(healthy)
        before = await _until(complete)
        for victim in before.values():
            victim.kill()

        async def mended() -> bool:
            after = _victims(home)
            return len(after) == 6 and not set(after.values()) & set(before.values())

        await _until(mended)
        await _until(healthy)
        client = await Client.connect(temporal_address)
        await client.start_workflow("Unknown", id="kept", task_queue="nobody")

        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
        assert time.monotonic() - began < 30
    assert processes.marked(home.path) == []
    assert not HomeLock.is_held(home)
    assert os.listdir(home.run) == []

    async with _up(home) as (process, addresses):
        assert addresses.temporal_address is not None
        client = await Client.connect(addresses.temporal_address)
        assert (await client.get_workflow_handle("kept").describe()).id == "kept"
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert processes.marked(home.path) == []
