"""graphmill over HTTP, for programs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import Self
from urllib.parse import quote
from uuid import UUID

import httpx

from graphmill.application.folder import LeftOut
from graphmill.client.bodies import Question, body, index_body, retry_body
from graphmill.client.connection import PAGE, Connection, Uploading, given
from graphmill.client.uploads import (
    UNKNOWN_LIMITS,
    NamedFile,
    Source,
    batches,
    check_sizes,
    files_of,
    open_parts,
)
from graphmill.errors import NotFound
from graphmill.http_api.graph_schemas import (
    Community,
    CommunityPage,
    Entity,
    EntityPage,
    Neighbour,
    NeighbourPage,
    Report,
    ReportPage,
)
from graphmill.http_api.schemas import (
    Answer,
    Collection,
    CollectionPage,
    Document,
    DocumentIdsBody,
    DocumentPage,
    Health,
    Limits,
    Retried,
    Run,
    RunRef,
    ShownDocument,
    Uploaded,
    UploadedDocument,
)
from graphmill.models import DocumentState, Method
from graphmill.names import check_collection_name
from graphmill.uploads import Upload


class Client:
    """Collections of one tenant, on a server of graphmill. Use it as a context manager:

        async with Client() as client:
            await client.upload("papers", Path("papers"))
            run = await client.index("papers")
            async for state in client.follow(run.run_id):
                print(state.documents.done, "of", state.documents.total)
            answer = await client.query("papers", "Who wrote of it first?")

    What fails in passing is tried again, but for deletions that went out and answers that take too
    long; uploads, index and retry carry keys by which they are done once. Every method raises what
    graphmill.client.errors says, in particular:

        InvalidRequest: what was asked is not well formed, or too large.
        InvalidKey, NotAllowed: there is no key, or not for this.
        NotFound: there is no such collection, document, entity or run.
        Unavailable: the server, or one that it needs, does not answer.
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
        """`url`: of the server; GRAPHMILL_URL, or this machine. `api_key`: GRAPHMILL_API_KEY; None
        where the server asks for none. `tenant`: where no key says whose the collections are.
        `timeout`: in seconds, for one answer. `transport`: of httpx, for tests."""
        self._server = Connection(url, api_key, tenant, timeout, transport)
        self._limits: Limits | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._server.close()

    # ---- collections

    async def create_collection(self, name: str) -> Collection:
        """One that is there already stays as it is."""
        wanted = {"name": check_collection_name(name)}
        return await self._server.ask(Collection, "POST", "/v1/collections", json=wanted)

    def collections(self) -> AsyncIterator[Collection]:
        """In the order of their names."""
        return self._server.rows(CollectionPage, "/v1/collections", lambda page: page.collections)

    async def collection_page(self, after: str | None = None, limit: int = PAGE) -> CollectionPage:
        """Some collections, behind the name `after`."""
        params = given(after=after, limit=limit)
        return await self._server.ask(CollectionPage, "GET", "/v1/collections", params=params)

    async def collection(self, name: str) -> Collection:
        return await self._server.ask(Collection, "GET", _path(name))

    async def delete_collection(self, name: str) -> None:
        """With its documents and graph; its run is ended before."""
        await self._server.delete("DELETE", _path(name))

    # ---- documents

    async def upload(
        self,
        collection: str,
        source: Source,
        *,
        creation_date: datetime | None = None,
        on_left_out: Callable[[LeftOut], None] | None = None,
        on_batch: Callable[[int], None] = lambda documents: None,
    ) -> Uploaded:
        """Store files, all those of a folder, or bytes by their names. The collection comes to be
        with its first documents; the next run indexes them.

        A folder's files are named by their paths in it, without hidden ones and links that lead out
        of it. `creation_date`: of bytes; files have their own. `on_left_out` hears of each that
        should be read and cannot be; without it, one is an error, and nothing is sent. `on_batch`
        hears how many of them a request brought.

        Raises:
            InvalidRequest: there is no such file, two would have the same name, or one cannot be
                read or is larger than the server takes.
        """
        limits = await self.limits()
        files = await asyncio.to_thread(files_of, source, creation_date, on_left_out, limits)
        return await self._upload_files(collection, files, on_batch)

    async def upload_documents(self, collection: str, uploads: Sequence[Upload]) -> Uploaded:
        """As `upload`, of what was hashed already.

        Raises:
            UnreadableUpload: one cannot be read, or is larger than the server takes.
        """
        check_sizes(uploads, await self.limits())
        files = [NamedFile(one.name, one.size, one.open, one.creation_date) for one in uploads]
        return await self._upload_files(collection, files, lambda documents: None)

    async def _upload_files(
        self, collection: str, files: Sequence[NamedFile], on_batch: Callable[[int], None]
    ) -> Uploaded:
        new = changed = unchanged = 0
        documents: list[UploadedDocument] = []
        for batch in batches(files, await self.limits()):
            stored = await self._send_files(collection, batch)
            new, changed = new + stored.new, changed + stored.changed
            unchanged += stored.unchanged
            documents += stored.documents
            on_batch(len(batch))
        return Uploaded(new=new, changed=changed, unchanged=unchanged, documents=documents)

    async def _send_files(self, collection: str, batch: Sequence[NamedFile]) -> Uploaded:
        async def send(uploading: Uploading) -> httpx.Response:
            with ExitStack() as stack:
                return await uploading.send(open_parts(batch, stack))

        return await self._server.upload(Uploaded, f"{_path(collection)}/documents", send)

    async def limits(self) -> Limits:
        """What the server takes; it is asked once. One of an earlier release does not say it."""
        if self._limits is None:
            try:
                self._limits = await self._server.ask(Limits, "GET", "/v1/limits")
            except NotFound:
                self._limits = UNKNOWN_LIMITS
        return self._limits

    def documents(
        self, collection: str, state: DocumentState | None = None
    ) -> AsyncIterator[Document]:
        """In the order of their names."""
        path = f"{_path(collection)}/documents"
        return self._server.rows(DocumentPage, path, lambda page: page.documents, state=state)

    async def document(self, collection: str, id: UUID) -> ShownDocument:
        """With what models cost for it."""
        return await self._server.ask(ShownDocument, "GET", f"{_path(collection)}/documents/{id}")

    async def document_page(
        self,
        collection: str,
        after: str | None = None,
        limit: int = PAGE,
        state: DocumentState | None = None,
    ) -> DocumentPage:
        """Some documents, behind the name `after`."""
        params = given(after=after, limit=limit, state=state)
        return await self._server.ask(
            DocumentPage, "GET", f"{_path(collection)}/documents", params=params
        )

    async def delete_documents(self, collection: str, ids: Sequence[UUID]) -> RunRef:
        """Forget them, 10,000 at most; the run takes them out of the graph."""
        path = f"{_path(collection)}/documents/delete"
        named = body(DocumentIdsBody, documents=ids).model_dump(mode="json")
        return await self._server.ask_to_delete(RunRef, "POST", path, json=named)

    async def forget_documents(self, collection: str, ids: Sequence[UUID]) -> None:
        """Those of them that are there, 10,000 at most; the next run takes them out of the
        graph."""
        path = f"{_path(collection)}/documents/forget"
        named = body(DocumentIdsBody, documents=ids).model_dump(mode="json")
        await self._server.delete("POST", path, json=named)

    async def delete_document(self, collection: str, id: UUID) -> RunRef:
        """Forget it; the run takes it out of the graph."""
        path = f"{_path(collection)}/documents/{id}"
        return await self._server.ask_to_delete(RunRef, "DELETE", path)

    # ---- runs

    async def index(
        self,
        collection: str,
        *,
        method: Method | None = None,
        force_rebuild: bool = False,
        priority: int = 3,
        budget_usd: float | None = None,
        batch: bool = False,
    ) -> RunRef:
        """Start the collection's run, or join the one under way.

        Raises:
            Conflict: a run is under way that was not asked for the same.
        """
        wanted = index_body(
            collection,
            method=method,
            force_rebuild=force_rebuild,
            priority=priority,
            budget_usd=budget_usd,
            batch=batch,
        )
        return await self._server.ask_once(RunRef, f"{_path(collection)}/index", wanted)

    async def run(self, run_id: UUID) -> Run:
        """How it stands."""
        return await self._server.ask(Run, "GET", f"/v1/runs/{run_id}")

    async def latest_run(self, collection: str) -> Run:
        """The collection's run that is under way, or the last one."""
        return await self._server.ask(Run, "GET", f"{_path(collection)}/run")

    async def follow(self, run_id: UUID) -> AsyncIterator[Run]:
        """How it stands, now and whenever that changes, until its end. A connection that drops is
        opened again; nothing is told twice.

        Raises:
            Unavailable: the server stays away for a minute.
        """
        async for run in self._server.follow(Run, f"/v1/runs/{run_id}/events"):
            yield run

    async def wait(self, run_id: UUID) -> Run:
        """How it ended."""
        *_, last = [run async for run in self.follow(run_id)]
        return last

    async def pause(self, run_id: UUID) -> RunRef:
        """What is being read ends, nothing new begins. Raises Conflict where it has ended."""
        return await self._server.ask(RunRef, "POST", f"/v1/runs/{run_id}/pause")

    async def resume(self, run_id: UUID) -> RunRef:
        """Raises Conflict where it has ended."""
        return await self._server.ask(RunRef, "POST", f"/v1/runs/{run_id}/resume")

    async def cancel(self, run_id: UUID) -> RunRef:
        """What it has read stays. Raises Conflict where it has ended."""
        return await self._server.ask(RunRef, "POST", f"/v1/runs/{run_id}/cancel")

    async def retry(self, run_id: UUID, *, budget_usd: float | None = None) -> Retried:
        """Read failed and partial documents again, and ask for what is missing."""
        wanted = retry_body(budget_usd)
        return await self._server.ask_once(Retried, f"/v1/runs/{run_id}/retry", wanted)

    # ---- the graph

    async def query(self, collection: str, question: str, *, mode: str = "local") -> Answer:
        """An answer with citations from the published graph."""
        asked = body(Question, question=question, mode=mode).model_dump()
        return await self._server.ask(Answer, "POST", f"{_path(collection)}/query", json=asked)

    def entities(
        self, collection: str, *, type: str | None = None, community: int | None = None
    ) -> AsyncIterator[Entity]:
        """In the order of their titles; those of a type, of a community."""
        path = f"{_path(collection)}/entities"
        return self._server.rows(
            EntityPage, path, lambda page: page.entities, type=type, community=community
        )

    def neighbours(self, collection: str, id: UUID) -> AsyncIterator[Neighbour]:
        """An entity's relationships, the heaviest first, each with who is at its other end."""
        path = f"{_path(collection)}/entities/{id}/neighbours"
        return self._server.rows(NeighbourPage, path, lambda page: page.neighbours)

    def communities(self, collection: str, *, level: int | None = None) -> AsyncIterator[Community]:
        """In the order of their numbers; those of a level."""
        path = f"{_path(collection)}/communities"
        return self._server.rows(CommunityPage, path, lambda page: page.communities, level=level)

    def reports(self, collection: str, *, level: int | None = None) -> AsyncIterator[Report]:
        """In the order of their communities' numbers; those of a level."""
        path = f"{_path(collection)}/reports"
        return self._server.rows(ReportPage, path, lambda page: page.reports, level=level)

    async def health(self) -> Health:
        """Which parts answer; of one that does not, it is no error."""
        return await self._server.ask_as_it_is(Health, "/health")


def _path(collection: str) -> str:
    return f"/v1/collections/{quote(check_collection_name(collection), safe='')}"
