"""The part of the application that a laptop needs of a fleet: over its servers, or over HTTP."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Protocol
from uuid import UUID

from graphmill.application.documents import Collections, Documents
from graphmill.application.run_workflows import RunHandle
from graphmill.application.runs import Retry
from graphmill.index_request import IndexRequest
from graphmill.models import Answer, CollectionKey
from graphmill.run_status import RunStatus


class RunOrders(Protocol):
    """As graphmill.application.runs.Runs says of each, where they are decorated: so not async."""

    def start(self, request: IndexRequest) -> Awaitable[RunHandle]: ...

    def find(self, tenant: str, run_or_collection: str) -> Awaitable[RunHandle]: ...

    def status(self, run: RunHandle, *, with_failures: bool = True) -> Awaitable[RunStatus]: ...

    def wait(self, run: RunHandle) -> AsyncIterator[RunStatus]: ...

    def pause(self, run: RunHandle) -> Awaitable[None]: ...

    def resume(self, run: RunHandle) -> Awaitable[None]: ...

    def cancel(self, run: RunHandle) -> Awaitable[None]: ...

    def retry(
        self, run: RunHandle, *, priority: int = 3, budget_usd: float | None = None
    ) -> Awaitable[Retry]: ...


class Answers(Protocol):
    """As graphmill.application.search.Search says."""

    def query(self, key: CollectionKey, question: str, mode: str) -> Awaitable[Answer]: ...


class Basics(Protocol):
    """As graphmill.application.graphmill.Graphmill says of each."""

    @property
    def collections(self) -> Collections: ...

    @property
    def documents(self) -> Documents: ...

    @property
    def runs(self) -> RunOrders: ...

    @property
    def search(self) -> Answers: ...

    async def delete_documents(self, key: CollectionKey, ids: Sequence[UUID]) -> RunHandle: ...

    async def prune(self, key: CollectionKey, names: Sequence[str]) -> None: ...

    async def delete_collection(self, key: CollectionKey) -> None: ...
