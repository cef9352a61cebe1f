"""What a real server leaves to graphmill, and that workers and doctor heed it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from graphmill.application.checks import Check
from graphmill.application.doctor import check_database
from graphmill.database_connections import Room
from graphmill.errors import SettingsError
from graphmill.roles import Role
from graphmill.settings import load_settings
from graphmill.stores.postgres.connection_room import load_room, refuse_what_cannot_fit
from graphmill.stores.postgres.database import connect
from workers.__main__ import run_workers


@pytest.fixture(autouse=True)
def no_settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@asynccontextmanager
async def _connected(url: str, **given: str) -> AsyncGenerator[asyncpg.Connection]:
    connection = await asyncpg.connect(url, server_settings=given) if given else await connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def _room(url: str) -> Room:
    async with _connected(url) as connection:
        return await load_room(connection)


async def test_the_room_is_what_is_not_reserved_and_not_used_by_others(database_url: str) -> None:
    room = await _room(database_url)
    assert room.allowed == 97
    assert room.words == "max_connections 100, 3 reserved"
    async with (
        _connected(database_url),  # graphmill's own count as planned, not as used
        _connected(database_url, application_name="psql"),
        _connected(database_url, application_name="psql"),
    ):
        assert (await _room(database_url)).others == room.others + 2


async def test_a_limit_of_the_database_counts_too(database_url: str) -> None:
    name = database_url.rpartition("/")[2].partition("?")[0]
    async with _connected(database_url) as connection:
        await connection.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 20")
        room = await load_room(connection)
    assert room.allowed == 20
    assert room.words == f"the limit of database {name} is 20"


async def _doctor(url: str, **given: object) -> Check:
    checks = [check async for check in check_database(url, load_settings(given))]
    return next(check for check in checks if check.name == "connections")


async def test_doctor_prints_the_sum_and_refuses_what_cannot_fit(database_url: str) -> None:
    fits = await _doctor(database_url, deployment={"llm": 2, "api": 1, "commands": 0})
    assert fits.ok
    assert "llm 2 x 11, api 1 x 10: 32 at most; the server leaves" in fits.words
    refused = await _doctor(database_url, deployment={"llm": 20})
    assert refused.ok is False
    assert "raise max_connections by" in refused.words


async def test_a_worker_does_not_start_in_a_deployment_that_cannot_fit(database_url: str) -> None:
    given = {"database_url": database_url, "temporal_address": "127.0.0.1:1"}
    too_many = load_settings(given | {"deployment": {"llm": 20}})
    with pytest.raises(SettingsError, match=r"too few connections to PostgreSQL: llm 20 x 11"):
        await run_workers(too_many, [Role.LLM])
    await refuse_what_cannot_fit(database_url, load_settings(given))
