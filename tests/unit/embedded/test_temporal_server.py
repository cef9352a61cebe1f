"""The embedded Temporal server: kept over kills, with search attributes, priority and fairness."""

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from temporalio import workflow
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.common import Priority, SearchAttributePair, TypedSearchAttributes
from temporalio.worker import Worker

from graphmill.embedded.home import Home
from graphmill.embedded.ports import free_port
from graphmill.embedded.supervisor import Supervisor
from graphmill.embedded.temporal_binary import find_or_get
from graphmill.embedded.temporal_server import DATABASE_FILE, TemporalServer
from graphmill.errors import Unavailable
from graphmill.search_attributes import ALL, COLLECTION, ensure_search_attributes

_QUEUE = "queue"


@workflow.defn(sandboxed=False)
class Nothing:
    @workflow.run
    async def run(self) -> None:
        pass


@pytest.fixture
async def server(home: Home, tell: Callable[[str], None]) -> TemporalServer:
    binary = await find_or_get(home, tell)
    return TemporalServer(home, binary, free_port(), free_port(), "default")


@asynccontextmanager
async def _serving(
    server: TemporalServer, tell: Callable[[str], None]
) -> AsyncGenerator[tuple[Client, int]]:
    """A client, and the server's process."""
    async with Supervisor(server.home, tell) as supervisor:
        await supervisor.start(server.part())
        client = await Client.connect(server.address, namespace=server.namespace)
        yield client, supervisor.pid("temporal")


async def _start(client: Client, priority: Priority = Priority.default) -> str:
    name = str(uuid.uuid4())
    await client.start_workflow(Nothing.run, id=name, task_queue=_QUEUE, priority=priority)
    return name


async def test_killed_it_comes_back_on_the_same_port_with_its_workflows(
    server: TemporalServer, said: list[str], tell: Callable[[str], None]
) -> None:
    async with _serving(server, tell) as (client, pid):
        name = await _start(client)
        os.kill(pid, signal.SIGKILL)
        # The same client: it connects again by itself.
        async with Worker(client, task_queue=_QUEUE, workflows=[Nothing]), asyncio.timeout(30):
            await client.get_workflow_handle(name).result()
    assert "temporal died (killed by SIGKILL)" in said[0]


async def test_search_attributes_are_registered_once_and_found(
    server: TemporalServer, tell: Callable[[str], None]
) -> None:
    async with _serving(server, tell) as (client, _):
        await asyncio.gather(ensure_search_attributes(client), ensure_search_attributes(client))
        await ensure_search_attributes(client)
        attributes = TypedSearchAttributes([SearchAttributePair(key, "x") for key in ALL])
        await client.start_workflow(
            Nothing.run, id="found", task_queue=_QUEUE, search_attributes=attributes
        )
        async with asyncio.timeout(10):
            while not [w async for w in client.list_workflows(f"{COLLECTION.name} = 'x'")]:
                await asyncio.sleep(0.1)


async def test_refused_search_attributes_name_the_command_to_run(
    server: TemporalServer, tell: Callable[[str], None]
) -> None:
    async with _serving(server, tell):
        stranger = await Client.connect(server.address, namespace="not-there")
        with pytest.raises(Unavailable, match="temporal operator search-attribute create"):
            await ensure_search_attributes(stranger)


async def test_a_database_whose_schema_was_half_made_is_made_anew(
    server: TemporalServer, tell: Callable[[str], None]
) -> None:
    (server.home.temporal / DATABASE_FILE).write_bytes(b"")
    async with _serving(server, tell) as (client, _):
        name = await _start(client)
    async with _serving(server, tell) as (client, _):  # and not again once it has served
        assert (await client.get_workflow_handle(name).describe()).id == name


async def test_the_wanted_namespace_is_there_and_remembers_long_enough(
    server: TemporalServer, tell: Callable[[str], None]
) -> None:
    server = replace(server, namespace="graphmill-test")
    async with _serving(server, tell) as (client, _):
        description = await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace="graphmill-test")
        )
        days = description.config.workflow_execution_retention_ttl.ToTimedelta().days
        assert days >= 1


async def test_the_web_ui_answers(server: TemporalServer, tell: Callable[[str], None]) -> None:
    async with _serving(server, tell):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.ui_port)
        writer.write(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in await reader.readline()
        writer.close()


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(Priority(priority_key=1), id="priority"),
        pytest.param(Priority(fairness_key="small"), id="fairness"),
    ],
)
async def test_urgent_and_small_work_does_not_wait_behind_a_backlog(
    server: TemporalServer, late: Priority, tell: Callable[[str], None]
) -> None:
    async with _serving(server, tell) as (client, _):
        backlog = Priority(fairness_key="big")
        big = [await _start(client, backlog) for _ in range(60)]
        small = [await _start(client, late) for _ in range(5)]
        order: dict[str, float] = {}
        worker = Worker(
            client, task_queue=_QUEUE, workflows=[Nothing], max_concurrent_workflow_tasks=2
        )
        async with worker:
            for name in (*big, *small):
                await client.get_workflow_handle(name).result()
        for name in (*big, *small):
            description = await client.get_workflow_handle(name).describe()
            assert description.close_time is not None
            order[name] = description.close_time.timestamp()
        places = sorted(order, key=lambda name: order[name])
        # Without the dynamic settings they come last, 60 to 64.
        assert max(places.index(name) for name in small) < 30
