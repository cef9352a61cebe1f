"""The embedded PostgreSQL: private, recovering from kills, never two over one folder."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from graphmill.embedded import processes, unprivileged
from graphmill.embedded.home import Home
from graphmill.embedded.leftovers import end_postgres
from graphmill.embedded.postgres_server import PostgresServer
from graphmill.embedded.supervisor import Supervisor
from graphmill.errors import SettingsError


@pytest.fixture
def home(home: Home, cluster: Path) -> Home:
    shutil.copytree(cluster, home.postgres)
    return home


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="about running as root")


@asynccontextmanager
async def _serving(home: Home, tell: Callable[[str], None]) -> AsyncGenerator[PostgresServer]:
    server = PostgresServer.of(home)
    async with Supervisor(home, tell) as supervisor:
        await supervisor.start(server.part())
        yield server


@asynccontextmanager
async def _connected(server: PostgresServer) -> AsyncGenerator[Any]:
    connection: Any = await asyncpg.connect(server.url)
    try:
        yield connection
    finally:
        await connection.close()


def _postmaster(server: PostgresServer) -> int:
    return int((server.data / "postmaster.pid").read_text().split()[0])


def _start_unsupervised(server: PostgresServer) -> subprocess.Popen[bytes]:
    """As a supervisor that was killed with its guardian leaves it."""
    server.prepare()
    return subprocess.Popen(
        server.part().command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


async def _ready(server: PostgresServer) -> None:
    for _ in range(200):
        if await server.is_ready():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("not ready after 10 s")


async def test_it_serves_its_owner_over_a_private_socket_and_nobody_over_tcp(
    home: Home, tell: Callable[[str], None]
) -> None:
    async with _serving(home, tell) as server:
        async with _connected(server) as connection:
            assert await connection.fetchval("SHOW listen_addresses") == ""
            assert await connection.fetchval("SHOW server_encoding") == "UTF8"
            # By code point, whatever the machine's locale; case for every script.
            assert await connection.fetchval("SELECT 'Z' < 'a' AND lower('ÄÖ') = 'äö'")
            assert await connection.fetchval("SELECT '[1,2]'::vector <-> '[1,3]'") == 1
            assert not await connection.fetchval(
                "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
            )
        assert stat.S_IMODE(server.socket_folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
        rules = (server.data / "pg_hba.conf").read_text()
        assert "trust" not in rules


async def test_killed_it_comes_back_on_the_same_socket_with_what_was_committed(
    home: Home, said: list[str], tell: Callable[[str], None]
) -> None:
    async with _serving(home, tell) as server:
        async with _connected(server) as connection:
            await connection.execute("CREATE TABLE kept (n int)")
            await connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
            # A backend in a long statement outlives its postmaster.
            busy = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
            await asyncio.sleep(0.1)
            old = _postmaster(server)
            os.kill(old, signal.SIGKILL)
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                await busy
        for _ in range(200):
            if (server.data / "postmaster.pid").exists() and _postmaster(server) != old:
                break
            await asyncio.sleep(0.05)
        await _ready(server)
        async with _connected(server) as connection:
            assert await connection.fetchval("SELECT count(*) FROM kept") == 1000
    assert "postgres died (killed by SIGKILL)" in said[0]


async def test_a_zombie_in_its_pid_file_does_not_pass_for_a_server(
    home: Home, tell: Callable[[str], None]
) -> None:
    server = PostgresServer.of(home)
    orphan = _start_unsupervised(server)
    try:
        await _ready(server)
        os.kill(orphan.pid, signal.SIGKILL)  # and nobody reaps it: we do so only at the end
        for _ in range(500):
            if psutil.Process(orphan.pid).status() == psutil.STATUS_ZOMBIE:
                break
            await asyncio.sleep(0.01)
        assert _postmaster(server) == orphan.pid
        async with _serving(home, tell):
            assert _postmaster(server) != orphan.pid
    finally:
        orphan.wait()


async def test_a_live_one_left_behind_is_shut_down_before_another_starts(
    home: Home, tell: Callable[[str], None]
) -> None:
    server = PostgresServer.of(home)
    orphan = _start_unsupervised(server)
    try:
        await _ready(server)
        async with _connected(server) as connection:
            await connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
        async with _serving(home, tell):
            assert not processes.is_alive(orphan.pid)
            async with _connected(server) as connection:
                assert await connection.fetchval("SELECT n FROM kept") == 1
        assert orphan.wait() == 0  # a fast shutdown, not a kill
    finally:
        orphan.kill()
        orphan.wait()


def test_a_stranger_whose_number_is_in_the_pid_file_is_left_alone(home: Home) -> None:
    stranger = subprocess.Popen(("sleep", "60"))
    try:
        (home.postgres / "postmaster.pid").write_text(f"{stranger.pid}\n")
        assert end_postgres(home.postgres) == 0
        assert processes.is_alive(stranger.pid)
        assert not (home.postgres / "postmaster.pid").exists()
    finally:
        stranger.kill()
        stranger.wait()


async def test_an_initdb_that_was_killed_is_done_again(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    home = Home.at(tmp_path / "new")
    home.create()
    (home.postgres_building / "base").mkdir(parents=True)
    (home.postgres_building / "PG_VERSION").write_text("18\n")
    async with _serving(home, tell) as server, _connected(server) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    assert not home.postgres_building.exists()


async def test_a_home_too_deep_for_a_socket_gets_a_private_folder_elsewhere(
    tmp_path: Path, cluster: Path, tell: Callable[[str], None]
) -> None:
    home = Home.at(tmp_path / ("deep" * 25) / "home, with a comma & spaces?")
    home.create()
    shutil.copytree(cluster, home.postgres)
    async with _serving(home, tell) as server, _connected(server) as connection:
        assert await connection.fetchval("SELECT 1") == 1
        assert not server.socket_folder.is_relative_to(home.path)
        assert len(os.fsencode(server.socket_folder)) < 90
        assert stat.S_IMODE(server.socket_folder.stat().st_mode) == 0o700
    server.remove_socket_folder()
    assert not server.socket_folder.exists()


def test_a_trap_in_the_place_of_the_socket_folder_is_refused(home: Home, tmp_path: Path) -> None:
    server = replace(PostgresServer.of(home), socket_folder=tmp_path / "trap")
    (tmp_path / "elsewhere").mkdir()
    server.socket_folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError, match="not a folder of yours alone"):
        server.prepare()
    server.socket_folder.unlink()
    server.socket_folder.mkdir()
    server.socket_folder.chmod(0o777)
    with pytest.raises(SettingsError, match="not a folder of yours alone"):
        server.prepare()


def test_files_of_another_version_are_left_alone_and_named(home: Home) -> None:
    (home.postgres / "PG_VERSION").write_text("16\n")
    with pytest.raises(SettingsError, match="written by PostgreSQL 16"):
        PostgresServer.of(home).prepare()


@as_root
async def test_as_root_under_a_private_parent_no_mode_or_owner_outside_changes(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    parent = tmp_path / "private"
    parent.mkdir(mode=0o700)
    home = Home.at(parent / "home")
    home.create()
    watched = [parent, *parent.parents]
    before = [(path, path.stat().st_mode, path.stat().st_uid) for path in watched]
    async with _serving(home, tell) as server, _connected(server) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    assert before == [(path, path.stat().st_mode, path.stat().st_uid) for path in watched]
    assert {path.stat().st_uid for path in home.path.rglob("*")} == {0}


@as_root
async def test_where_user_namespaces_are_refused_it_runs_under_an_account_without_rights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Callable[[str], None]
) -> None:
    monkeypatch.setattr(unprivileged, "_in_namespace", lambda: None)
    # pytest's own folders are closed to others, which this way cannot have.
    place = Path("/tmp") / f"graphmill-test-{os.getpid()}"
    home = Home.at(place / "home")
    home.create()
    place.chmod(0o755)
    try:
        async with _serving(home, tell) as server, _connected(server) as connection:
            assert await connection.fetchval("SELECT 1") == 1
            assert psutil.Process(_postmaster(server)).uids().effective != 0
            assert stat.S_IMODE(home.path.stat().st_mode) == 0o710
    finally:
        shutil.rmtree(place)


@as_root
async def test_that_account_is_not_let_through_a_private_parent_but_the_parent_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unprivileged, "_in_namespace", lambda: None)
    parent = tmp_path / "private"
    parent.mkdir(mode=0o700)
    home = Home.at(parent / "home")
    home.create()
    with pytest.raises(SettingsError, match="may not enter"):
        PostgresServer.of(home).prepare()
    assert stat.S_IMODE(parent.stat().st_mode) == 0o700
