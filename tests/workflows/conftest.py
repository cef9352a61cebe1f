"""A Temporal server for the session; workers, and a collection of its own, for each test."""

import re
from collections.abc import AsyncIterator, Iterator

import pytest
from temporalio.client import Client, WorkflowHandle

from graphmill.ids import document_id
from graphmill.messages import (
    INDEX_COLLECTION,
    INDEX_DOCUMENT,
    TASK_QUEUE,
    IndexDocumentInput,
    IndexDocumentResult,
    IndexRequest,
    RunProgress,
)
from tests.support.road import RECIPE, Road, working
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
            await client.get_workflow_handle(left.id).terminate("the test ended")


@pytest.fixture
async def index(client: Client, collection: str) -> "Index":
    return Index(client, IndexRequest(collection))


class Index:
    """Starts and addresses the run of a test's collection."""

    def __init__(self, client: Client, request: IndexRequest) -> None:
        self.client = client
        self.request = request
        self.id = f"index/default/{request.collection}"

    async def start(self, **options: object) -> WorkflowHandle[object, RunProgress]:
        return await self.client.start_workflow(
            INDEX_COLLECTION,
            self.request.to_json(),
            id=self.id,
            task_queue=TASK_QUEUE,
            result_type=RunProgress,
            **options,  # type: ignore[arg-type]
        )

    async def run(self) -> RunProgress:
        return await (await self.start()).result()

    async def start_document(self, name: str) -> WorkflowHandle[object, IndexDocumentResult]:
        """Without a run, as somebody may do by hand."""
        id = document_id(name)
        return await self.client.start_workflow(
            INDEX_DOCUMENT,
            IndexDocumentInput(self.request.key, RECIPE, id),
            id=self.document_workflow_id(id),
            task_queue=TASK_QUEUE,
            result_type=IndexDocumentResult,
        )

    def document_workflow_id(self, id: object) -> str:
        return f"document/default/{self.request.collection}/{id}"

    def page_workflow_id(self, number: int) -> str:
        return f"page/default/{self.request.collection}/{number}"
