"""Schedules on a real Temporal server: when a time comes, and what is told of it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from temporalio.client import (
    Client,
    DescribeWorkflowInput,
    Interceptor,
    OutboundInterceptor,
    WorkflowExecutionDescription,
)
from temporalio.service import RPCError, RPCStatusCode

from graphmill.application.schedules import Schedules
from graphmill.errors import PermanentError
from graphmill.folder_schedules import FolderSchedule, schedule_id
from graphmill.index_request import IndexRequest
from graphmill.models import CollectionKey
from graphmill.stores.postgres.folder_schedules import PostgresFolderSchedules
from tests.support.road import Road


class Rows:
    """The rows, in memory."""

    def __init__(self) -> None:
        self._kept: dict[CollectionKey, FolderSchedule] = {}

    async def save(self, schedule: FolderSchedule) -> None:
        self._kept[schedule.key] = schedule

    async def load(self, key: CollectionKey) -> FolderSchedule:
        return self._kept[key]

    async def list(self, tenant: str) -> tuple[FolderSchedule, ...]:
        return tuple(one for one in self._kept.values() if one.key.tenant == tenant)


@pytest.fixture
def schedule(collection: str) -> FolderSchedule:
    return FolderSchedule(IndexRequest(collection), (Path("/data"),), timedelta(days=300))


@pytest.fixture
async def schedules(client: Client, schedule: FolderSchedule) -> AsyncIterator[Schedules]:
    schedules = Schedules(client, cast(PostgresFolderSchedules, Rows()))
    yield schedules
    await schedules.forget(schedule.key)


async def actions(client: Client, schedule: FolderSchedule) -> int:
    described = await client.get_schedule_handle(schedule_id(schedule.key)).describe()
    return described.info.num_actions


async def uploads(road: Road, count: int) -> None:
    """Until so many have begun."""
    async with asyncio.timeout(20):
        while road.attempts["upload_folder"] < count:
            await asyncio.sleep(0.05)


async def test_set_again_it_comes_at_once_behind_the_time_under_way(
    client: Client, road: Road, schedules: Schedules, schedule: FolderSchedule
) -> None:
    first = road.hold("upload_folder")
    await schedules.set(schedule)
    await first.arrived()
    await schedules.set(schedule)
    first.open()
    await uploads(road, 2)
    assert await actions(client, schedule) == 2


async def test_paused_and_set_again_nothing_comes(
    client: Client, road: Road, schedules: Schedules, schedule: FolderSchedule
) -> None:
    await schedules.set(schedule)
    await uploads(road, 1)
    await schedules.pause(schedule.key)
    await schedules.set(schedule)
    (standing,) = await schedules.list("default")
    assert standing.paused
    assert await actions(client, schedule) == 1


async def test_what_came_of_the_last_time_is_told(
    client: Client, road: Road, schedules: Schedules, schedule: FolderSchedule
) -> None:
    gate = road.hold("upload_folder")
    await schedules.set(schedule)
    await gate.arrived()
    assert await told(schedules) == ("running", "")
    gate.open()
    assert await ended(schedules) == ("completed", "")
    road.fails["upload_folder"] = PermanentError("/data does\nnot exist; " + "more" * 1000)
    await schedules.set(schedule)
    await uploads(road, 2)
    state, reason = await ended(schedules)
    assert (state, reason[:25]) == ("failed", "/data does not exist; mor")
    assert (len(reason), reason[-3:]) == (300, "...")


class Forgets(Interceptor):
    """A Temporal that no longer has any workflow: their retention has passed."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return Forgetful(next)


class Forgetful(OutboundInterceptor):
    async def describe_workflow(self, input: DescribeWorkflowInput) -> WorkflowExecutionDescription:
        raise RPCError(f"{input.id} not found", RPCStatusCode.NOT_FOUND, b"")


async def test_a_time_that_temporal_has_forgotten_is_no_error(
    temporal_address: str, road: Road, schedule: FolderSchedule
) -> None:
    client = await Client.connect(temporal_address, interceptors=[Forgets()])
    schedules = Schedules(client, cast(PostgresFolderSchedules, Rows()))
    await schedules.set(schedule)
    await uploads(road, 1)
    (standing,) = await schedules.list("default")
    assert standing.last_at is not None
    assert (standing.last_state, standing.last_reason) == ("", "")
    await schedules.forget(schedule.key)


async def told(schedules: Schedules) -> tuple[str, str]:
    (standing,) = await schedules.list("default")
    return standing.last_state, standing.last_reason


async def ended(schedules: Schedules) -> tuple[str, str]:
    async with asyncio.timeout(20):
        while (last := await told(schedules))[0] in ("", "running"):
            await asyncio.sleep(0.05)
    return last
