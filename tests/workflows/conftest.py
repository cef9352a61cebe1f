"""A Temporal server for the session; workers, and a collection of its own, for each test."""

import contextlib
import re
from collections.abc import AsyncIterator, Iterator

import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from graphmill.index_request import INDEX_COLLECTION, IndexRequest
from tests.support.index_run import IndexRun
from tests.support.road import Road, working
from tests.support.temporal import temporal_server


@pytest.fixture(scope="session")
def temporal_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with temporal_server(tmp_path_factory.mktemp("temporal")) as address:
        yield address


@pytest.fixture
async def client(temporal_address: str) -> Client:
    return await Client.connect(temporal_address)


@pytest.fixture
def collection(request: pytest.FixtureRequest) -> str:
    """A name of the test's own: the server is the session's."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", request.node.name)[:99].strip("-")


@pytest.fixture
async def road(client: Client, collection: str) -> AsyncIterator[Road]:
    """Running workers over an empty collection in memory."""
    road = Road()
    async with working(client, road):
        yield road
        # What a failed test left open must not reach the workers of the next one.
        query = f"ExecutionStatus = 'Running' AND WorkflowType = '{INDEX_COLLECTION}'"
        async for left in client.list_workflows(query):
            # Those that are over may still be listed for a moment.
            with contextlib.suppress(RPCError):
                await client.get_workflow_handle(left.id).terminate("the test ended")


@pytest.fixture
async def index(client: Client, collection: str) -> IndexRun:
    return IndexRun(client, IndexRequest(collection))
