"""The client for programs that are not asynchronous."""

import contextlib
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar
from uuid import UUID

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from graphmill.application.folder import LeftOut
from graphmill.client.client import Client
from graphmill.client.uploads import Source
from graphmill.http_api.graph_schemas import Community, Entity, Neighbour, Report
from graphmill.http_api.schemas import (
    Answer,
    Collection,
    CollectionPage,
    Document,
    DocumentPage,
    Health,
    Limits,
    Retried,
    Run,
    RunRef,
    ShownDocument,
    Uploaded,
)
from graphmill.models import DocumentState, Method
from graphmill.uploads import Upload

T = TypeVar("T")


async def _next(rows: AsyncIterator[T]) -> T | None:
    return await anext(rows, None)


class SyncClient:
    """`Client`, whose methods return when they are done, and whose iterators are plain ones; all
    else is as it says. An event loop in a thread of its own does the work.

        with SyncClient() as client:
            client.upload("papers", Path("papers"))
            print(client.wait(client.index("papers").run_id).state)
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        tenant: str | None = None,
        timeout: float = 60.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._client = Client(
            url, api_key=api_key, tenant=tenant, timeout=timeout, transport=transport
        )
        self._portal: BlockingPortal | None = None
        self._end: Callable[[], object] = lambda: None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """A program that ends without it, or a client that is let go, is no leak either."""
        self._end()
        self._portal = None

    # ---- collections

    def create_collection(self, name: str) -> Collection:
        return self._call(lambda: self._client.create_collection(name))

    def collections(self) -> Iterator[Collection]:
        return self._each(self._client.collections)

    def collection_page(self, after: str | None = None, limit: int = 1000) -> CollectionPage:
        return self._call(lambda: self._client.collection_page(after, limit))

    def collection(self, name: str) -> Collection:
        return self._call(lambda: self._client.collection(name))

    def delete_collection(self, name: str) -> None:
        self._call(lambda: self._client.delete_collection(name))

    # ---- documents

    def upload(
        self,
        collection: str,
        source: Source,
        *,
        creation_date: datetime | None = None,
        on_left_out: Callable[[LeftOut], None] | None = None,
        on_batch: Callable[[int], None] = lambda documents: None,
    ) -> Uploaded:
        return self._call(
            lambda: self._client.upload(
                collection,
                source,
                creation_date=creation_date,
                on_left_out=on_left_out,
                on_batch=on_batch,
            )
        )

    def upload_documents(self, collection: str, uploads: Sequence[Upload]) -> Uploaded:
        return self._call(lambda: self._client.upload_documents(collection, uploads))

    def limits(self) -> Limits:
        return self._call(self._client.limits)

    def documents(self, collection: str, state: DocumentState | None = None) -> Iterator[Document]:
        return self._each(lambda: self._client.documents(collection, state))

    def document(self, collection: str, id: UUID) -> ShownDocument:
        return self._call(lambda: self._client.document(collection, id))

    def document_page(
        self,
        collection: str,
        after: str | None = None,
        limit: int = 1000,
        state: DocumentState | None = None,
    ) -> DocumentPage:
        return self._call(lambda: self._client.document_page(collection, after, limit, state))

    def delete_documents(self, collection: str, ids: Sequence[UUID]) -> RunRef:
        return self._call(lambda: self._client.delete_documents(collection, ids))

    def forget_documents(self, collection: str, ids: Sequence[UUID]) -> None:
        self._call(lambda: self._client.forget_documents(collection, ids))

    def delete_document(self, collection: str, id: UUID) -> RunRef:
        return self._call(lambda: self._client.delete_document(collection, id))

    # ---- runs

    def index(
        self,
        collection: str,
        *,
        method: Method | None = None,
        force_rebuild: bool = False,
        priority: int = 3,
        budget_usd: float | None = None,
        batch: bool = False,
    ) -> RunRef:
        return self._call(
            lambda: self._client.index(
                collection,
                method=method,
                force_rebuild=force_rebuild,
                priority=priority,
                budget_usd=budget_usd,
                batch=batch,
            )
        )

    def run(self, run_id: UUID) -> Run:
        return self._call(lambda: self._client.run(run_id))

    def latest_run(self, collection: str) -> Run:
        return self._call(lambda: self._client.latest_run(collection))

    def follow(self, run_id: UUID) -> Iterator[Run]:
        return self._each(lambda: self._client.follow(run_id))

    def wait(self, run_id: UUID) -> Run:
        return self._call(lambda: self._client.wait(run_id))

    def pause(self, run_id: UUID) -> RunRef:
        return self._call(lambda: self._client.pause(run_id))

    def resume(self, run_id: UUID) -> RunRef:
        return self._call(lambda: self._client.resume(run_id))

    def cancel(self, run_id: UUID) -> RunRef:
        return self._call(lambda: self._client.cancel(run_id))

    def retry(self, run_id: UUID, *, budget_usd: float | None = None) -> Retried:
        return self._call(lambda: self._client.retry(run_id, budget_usd=budget_usd))

    # ---- the graph

    def query(self, collection: str, question: str, *, mode: str = "local") -> Answer:
        return self._call(lambda: self._client.query(collection, question, mode=mode))

    def entities(
        self, collection: str, *, type: str | None = None, community: int | None = None
    ) -> Iterator[Entity]:
        return self._each(lambda: self._client.entities(collection, type=type, community=community))

    def neighbours(self, collection: str, id: UUID) -> Iterator[Neighbour]:
        return self._each(lambda: self._client.neighbours(collection, id))

    def communities(self, collection: str, *, level: int | None = None) -> Iterator[Community]:
        return self._each(lambda: self._client.communities(collection, level=level))

    def reports(self, collection: str, *, level: int | None = None) -> Iterator[Report]:
        return self._each(lambda: self._client.reports(collection, level=level))

    def health(self) -> Health:
        return self._call(self._client.health)

    # ---- the loop

    def _call(self, do: Callable[[], Awaitable[T]]) -> T:
        return self._running().call(do)

    def _each(self, begin: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
        portal = self._running()
        rows = begin()
        while (row := portal.call(_next, rows)) is not None:
            yield row

    def _running(self) -> BlockingPortal:
        if self._portal is None:
            thread = start_blocking_portal()
            self._portal = thread.__enter__()
            # At the interpreter's end too, while threads still run: what is closed behind that
            # waits for a loop that nobody turns, and the program never ends.
            self._end = weakref.finalize(self, _close, self._client, self._portal, thread)
        return self._portal


def _close(
    client: Client, portal: BlockingPortal, thread: AbstractContextManager[BlockingPortal]
) -> None:
    # Where it is collected in the loop's own thread, nothing can be waited for.
    with contextlib.suppress(RuntimeError):
        portal.call(client.close)
        thread.__exit__(None, None, None)
