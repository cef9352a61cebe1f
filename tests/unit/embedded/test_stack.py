"""The whole stack: one holder a home, ports named, one Ctrl-C, nothing left however it ends."""

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest
from temporalio.client import Client

from graphmill.embedded import processes
from graphmill.embedded.home import Home, HomeLock
from graphmill.embedded.stack import (
    HomeInUse,
    PartFailed,
    Parts,
    find_running,
    running_stack,
    up,
)
from graphmill.errors import Unavailable
from graphmill.settings import Settings, load_settings

# `graphmill up` with stand-ins for workers and API, which have tests of their own.
_UP = """
import asyncio, sys
from graphmill.embedded import stack
from graphmill.settings import load_settings
SLEEP = "import time; time.sleep(600)"
SERVE = '''
import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
address = ("127.0.0.1", int(os.environ["GRAPHMILL_API_PORT"]))
http.server.HTTPServer(address, http.server.SimpleHTTPRequestHandler).serve_forever()
'''
stack._python = lambda *words: (sys.executable, "-c", SERVE if words == ("api",) else SLEEP)
asyncio.run(stack.up(load_settings(), lambda line: print(line, flush=True)))
"""


@pytest.fixture
def settings(home: Home, cluster: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Free ports and a home of its own, in the environment too, for children."""
    shutil.copytree(cluster, home.postgres)
    for name in ("TEMPORAL_ADDRESS", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GRAPHMILL_HOME", str(home.path))
    for name in ("TEMPORAL_PORT", "TEMPORAL_UI_PORT", "API_PORT"):
        monkeypatch.setenv(f"GRAPHMILL_{name}", "0")
    return load_settings()


@asynccontextmanager
async def _up() -> AsyncGenerator[tuple[Process, list[str]]]:
    """`up` in a process of its own, and what it said until it was up."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _UP, stdout=PIPE)
    try:
        assert process.stdout is not None
        said: list[str] = []
        async with asyncio.timeout(60):
            while not (said and said[-1].startswith("up after")):
                line = await process.stdout.readline()
                assert line, f"it ended: {said}"
                said.append(line.decode().rstrip())
        yield process, said
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _everything_of(home: Home) -> list[psutil.Process]:
    """What the stack runs: marked processes, and PostgreSQL's, whose titles hide their marks."""
    found = processes.marked(home.path)
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(str(home.path)) and process not in found:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


async def _nothing_left(home: Home, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while left := _everything_of(home):
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.05)
    assert not HomeLock.is_held(home)


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_one_signal_stops_everything_and_leaves_nothing(
    home: Home, number: signal.Signals
) -> None:
    async with _up() as (process, _):
        names = {p.name() for p in _everything_of(home)}
        assert {"temporal", "postgres"} <= names
        began = time.monotonic()
        process.send_signal(number)
        assert await process.wait() == 0
        assert time.monotonic() - began < 10
    assert _everything_of(home) == []
    assert not HomeLock.is_held(home)
    assert os.listdir(home.run) == []


async def test_a_second_up_says_who_holds_the_home_and_where_it_answers(
    settings: Settings,
) -> None:
    async with _up() as (process, said):
        running = find_running(settings)
        assert running is not None
        assert running.api_url is not None
        with pytest.raises(HomeInUse) as raised:
            await up(settings, said.append)
        assert f"process {process.pid}" in str(raised.value)
        assert running.api_url in str(raised.value)
        process.send_signal(signal.SIGINT)
        await process.wait()
    assert find_running(settings) is None


async def test_a_second_signal_kills_at_once(home: Home, settings: Settings) -> None:
    async with _up() as (process, _):
        for part in _everything_of(home):
            if part.name() == "temporal":
                part.suspend()  # so that it does not end when told to
        process.send_signal(signal.SIGINT)
        await asyncio.sleep(0.3)
        assert process.returncode is None
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        await process.wait()
        assert time.monotonic() - began < 3
    await _nothing_left(home, 5)


async def test_killed_outright_its_parts_end_and_the_next_start_has_all_data(
    home: Home, settings: Settings
) -> None:
    async with _up() as (process, _):
        running = find_running(settings)
        assert running is not None
        connection = await asyncpg.connect(running.database_url)
        await connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
        await connection.close()
        process.kill()
        await process.wait()
        # At once, while the guardian of the killed one may still be at work.
        async with running_stack(settings, Parts.SERVERS) as addresses:
            connection = await asyncpg.connect(addresses.database_url)
            assert await connection.fetchval("SELECT n FROM kept") == 1
            await connection.close()
    await _nothing_left(home, 5)


async def test_everything_killed_at_once_it_starts_again_with_all_data(
    home: Home, settings: Settings
) -> None:
    async with _up() as (process, _):
        running = find_running(settings)
        assert running is not None
        connection = await asyncpg.connect(running.database_url)
        await connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
        await connection.close()
        for victim in (psutil.Process(process.pid), *_everything_of(home)):
            victim.kill()
        await process.wait()
        async with running_stack(settings, Parts.SERVERS) as addresses:
            connection = await asyncpg.connect(addresses.database_url)
            assert await connection.fetchval("SELECT n FROM kept") == 1
            await connection.close()
    await _nothing_left(home, 5)


@pytest.mark.parametrize("part", ["TEMPORAL_PORT", "TEMPORAL_UI_PORT", "API_PORT"])
async def test_a_taken_port_is_named_and_nothing_stays(
    home: Home,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    tell: Callable[[str], None],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv(f"GRAPHMILL_{part}", str(port))
        with pytest.raises(Unavailable, match=f"port {port} .*GRAPHMILL_{part}"):
            await up(load_settings(), tell)
    await _nothing_left(home, 1)


async def test_postgres_alone_runs_for_a_block(home: Home, settings: Settings) -> None:
    async with running_stack(settings, Parts.POSTGRES) as addresses:
        assert addresses.temporal_address is None
        assert {p.name() for p in _everything_of(home)} & {"temporal", "postgres"} == {"postgres"}
        connection = await asyncpg.connect(addresses.database_url)
        assert await connection.fetchval("SELECT count(*) FROM schema_migrations") > 0
        await connection.close()
    assert _everything_of(home) == []


async def test_servers_whose_addresses_are_set_are_used_and_not_started(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_stack(settings, Parts.SERVERS) as outside:
        assert outside.temporal_address is not None
        monkeypatch.setenv("TEMPORAL_ADDRESS", outside.temporal_address)
        monkeypatch.setenv("DATABASE_URL", outside.database_url)
        monkeypatch.setenv("GRAPHMILL_HOME", str(tmp_path / "other"))
        async with running_stack(load_settings(), Parts.SERVERS) as addresses:
            assert addresses.temporal_address == outside.temporal_address
            assert addresses.database_url == outside.database_url
            assert _everything_of(Home.at(tmp_path / "other")) == [_guardian(tmp_path / "other")]
            client = await Client.connect(outside.temporal_address)
            assert await client.service_client.check_health()


async def test_another_port_than_the_wanted_one_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        monkeypatch.setenv("GRAPHMILL_TEMPORAL_UI_PORT", str(taken))
        async with running_stack(load_settings(), Parts.SERVERS, said.append) as addresses:
            url = addresses.temporal_ui_url or ""
    used = url.rpartition(":")[2]
    # Of the others any free one was wanted.
    assert [line for line in said if "port" in line] == [
        f"port {taken} (GRAPHMILL_TEMPORAL_UI_PORT) is taken; {used} is used instead"
    ]


def _guardian(home: Path) -> psutil.Process:
    return next(p for p in processes.marked(home) if "graphmill.embedded.guardian" in p.cmdline())


def _stand_in(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Runs this code in the place of workers and API."""

    def command(*_: str) -> tuple[str, ...]:
        return (sys.executable, "-c", code)

    monkeypatch.setattr("graphmill.embedded.stack._python", command)


async def test_a_part_that_is_given_up_ends_the_block(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphmill.embedded.supervisor._BACKOFF_SECONDS", (0.0,) * 5)
    _stand_in(monkeypatch, "import sys; sys.exit('no such role')")
    with pytest.raises(PartFailed, match=r"(?s)worker-\w+ died 5 times.*no such role"):
        async with asyncio.timeout(30), running_stack(settings, Parts.RUN):
            await asyncio.sleep(60)


async def test_parts_get_the_settings_and_the_addresses(
    home: Home, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "environment.json"
    code = (
        "import json, os, time\n"
        f"json.dump(dict(os.environ), open({str(file) + '.new'!r}, 'w'))\n"
        f"os.rename({str(file) + '.new'!r}, {str(file)!r})\n"
        "time.sleep(60)"
    )
    _stand_in(monkeypatch, code)
    secrets = {"OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "sk-2", "QDRANT_API_KEY": "q-3"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    settings = load_settings({"home": home.path, "llm_concurrency": 7, "temporal_port": 0})
    async with running_stack(settings, Parts.RUN) as addresses:
        for _ in range(200):
            if os.access(file, os.R_OK):
                break
            await asyncio.sleep(0.05)
        environment = json.loads(_read(file))
    assert environment["TEMPORAL_ADDRESS"] == addresses.temporal_address
    assert environment["DATABASE_URL"] == addresses.database_url
    assert environment["GRAPHMILL_HOME"] == str(home.path)
    assert environment["GRAPHMILL_LLM_CONCURRENCY"] == "7"
    # As they are, not as they print.
    assert {name: environment[name] for name in secrets} == secrets


def _read(file: Path) -> str:
    return file.read_text()
