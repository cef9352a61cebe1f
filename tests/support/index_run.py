"""Starts and addresses the workflows of one collection in tests."""

from typing import Any
from uuid import UUID

from temporalio.client import Client, WorkflowHandle

from graphmill.ids import document_id
from graphmill.index_request import INDEX_COLLECTION, IndexRequest
from graphmill.messages import (
    INDEX_DOCUMENT,
    INDEX_PAGE,
    TASK_QUEUE,
    DocumentCounts,
    IndexDocumentInput,
    IndexDocumentResult,
    IndexPageInput,
    RunProgress,
    WaitingDocument,
)
from tests.support.road import RECIPE


class IndexRun:
    """The run of a collection of the tenant `default`."""

    def __init__(self, client: Client, request: IndexRequest) -> None:
        self.client = client
        self.request = request
        self.id = f"index/default/{request.collection}"

    async def start(self, **options: Any) -> WorkflowHandle[Any, RunProgress]:
        return await self.client.start_workflow(
            INDEX_COLLECTION,
            self.request.to_json(),
            id=self.id,
            task_queue=TASK_QUEUE,
            result_type=RunProgress,
            **options,
        )

    async def to_end(self) -> RunProgress:
        return await (await self.start()).result()

    async def start_document(self, name: str) -> WorkflowHandle[Any, IndexDocumentResult]:
        """Without a run, as somebody may do by hand."""
        id = document_id(name)
        return await self.client.start_workflow(
            INDEX_DOCUMENT,
            IndexDocumentInput(self.request.key, RECIPE, id),
            id=self.document_workflow_id(id),
            task_queue=TASK_QUEUE,
            result_type=IndexDocumentResult,
        )

    async def start_page(self, number: int) -> WorkflowHandle[Any, DocumentCounts]:
        """A page of no document of this collection, that stays open: it is paused."""
        page = (WaitingDocument(document_id("none"), "none"),)
        return await self.client.start_workflow(
            INDEX_PAGE,
            IndexPageInput(self.request.key, RECIPE, page, 1, 3, paused=True),
            id=self.page_workflow_id(number),
            task_queue=TASK_QUEUE,
            result_type=DocumentCounts,
        )

    def document_workflow_id(self, id: UUID) -> str:
        return f"document/default/{self.request.collection}/{id}"

    def page_workflow_id(self, number: int) -> str:
        return f"page/default/{self.request.collection}/{number}"
