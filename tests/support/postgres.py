"""A real PostgreSQL for tests: one server a session, one database a test that asks for one."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from graphmill.embedded.home import Home
from graphmill.embedded.postgres_server import DATABASE, PostgresServer
from graphmill.stores.postgres.database import migrate, open_pool, open_tenant_pool
from graphmill.tenancy import acting_for


def _url(server: PostgresServer, database: str) -> str:
    return server.url.replace(f"/{DATABASE}?", f"/{database}?")


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    home = Home.at(Path(tmp_path_factory.mktemp("home")))
    home.create()
    server = PostgresServer.of(home)
    part = server.part()
    part.prepare()
    with (home.path / "postgres.log").open("w") as log:
        process = subprocess.Popen(part.command, stdout=log, stderr=log, cwd="/")
    try:
        _wait_until_ready(server, process, home.path / "postgres.log")
        yield server
    finally:
        process.send_signal(part.stop_signal)
        process.wait(20)
        server.remove_socket_folder()


def _wait_until_ready(
    server: PostgresServer, process: "subprocess.Popen[bytes]", log: Path
) -> None:
    for _ in range(200):
        if asyncio.run(server.is_ready()):
            break
        if process.poll() is not None:
            break
        time.sleep(0.05)
    else:
        pytest.fail(f"PostgreSQL does not start: {log.read_text()}")
    if process.poll() is not None:
        pytest.fail(f"PostgreSQL ended: {log.read_text()}")
    # Migrated once; every test's database is a copy.
    asyncio.run(_admin(server, "CREATE EXTENSION IF NOT EXISTS vector", DATABASE))
    asyncio.run(migrate(server.url))


async def _admin(server: PostgresServer, statement: str, database: str = "postgres") -> None:
    connection = await asyncpg.connect(
        host=str(server.socket_folder), user="postgres", database=database
    )
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def database_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """An empty database with graphmill's tables."""
    name = f"test_{uuid4().hex}"
    await _admin(postgres_server, f"CREATE DATABASE {name} TEMPLATE {DATABASE} OWNER graphmill")
    yield _url(postgres_server, name)
    await _admin(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    opened = await open_pool(database_url, 5)
    yield opened
    await opened.close()


@pytest.fixture
async def tenant_pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """What the application has of the same database; the test acts for the tenant `default`."""
    opened = await open_tenant_pool(database_url, 5)
    with acting_for("default"):
        yield opened
    await opened.close()
