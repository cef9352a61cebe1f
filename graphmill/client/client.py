"""graphmill over HTTP, for programs."""

import asyncio
import os
import uuid
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Sequence,
)
from contextlib import ExitStack, asynccontextmanager
from datetime import datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote
from uuid import UUID

import httpx
from httpx_sse import ServerSentEvent, SSEError, aconnect_sse
from pydantic import BaseModel, ValidationError

from graphmill.api_keys import InvalidKey
from graphmill.application.folder import LeftOut
from graphmill.client.errors import error_of, error_of_problem
from graphmill.client.uploads import NamedFile, Source, batches, files_of, open_parts
from graphmill.errors import GraphmillError, Unavailable
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
    IndexBody,
    Page,
    QueryBody,
    Retried,
    RetryBody,
    Run,
    RunRef,
    ShownDocument,
    Uploaded,
    UploadedDocument,
)
from graphmill.models import DocumentState, Method
from graphmill.telemetry.spans import trace_headers
from graphmill.uploads import Upload

M = TypeVar("M", bound=BaseModel)
R = TypeVar("R")
P = TypeVar("P", bound=Page)

_URL = "http://127.0.0.1:8000"
_PAGE = 1000
_TRIES = 5
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0
# No event and no sign of life for so long: the connection is dead.
_SILENT_SECONDS = 60.0
_OUTAGE_SECONDS = 60.0
# A connection that lasted so long was one.
_HELD_SECONDS = 5.0
# Large uploads are stored, and runs are ended before deletions, before these are answered.
_SLOW_SECONDS = 600.0
# Errors of a request that never went out.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


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
        key = (api_key or os.environ.get("GRAPHMILL_API_KEY") or "").strip()
        if not key.isascii() or not key.isprintable():
            raise InvalidKey("the API key has characters that no key has")
        headers: dict[str, str] = {}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        if tenant is not None:
            headers["X-Tenant"] = tenant
        self._http = httpx.AsyncClient(
            base_url=url or os.environ.get("GRAPHMILL_URL") or _URL,
            headers=headers,
            timeout=timeout,
            transport=transport,
            event_hooks={"request": [_traced]},
        )

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
        await self._http.aclose()

    # ---- collections

    async def create_collection(self, name: str) -> Collection:
        """One that is there already stays as it is."""
        return await self._ask(Collection, "POST", "/v1/collections", json={"name": name})

    def collections(self) -> AsyncIterator[Collection]:
        """In the order of their names."""
        return self._rows(CollectionPage, "/v1/collections", lambda page: page.collections)

    async def collection_page(self, after: str | None = None, limit: int = _PAGE) -> CollectionPage:
        """Some collections, behind the name `after`."""
        params = _given(after=after, limit=limit)
        return await self._ask(CollectionPage, "GET", "/v1/collections", params=params)

    async def collection(self, name: str) -> Collection:
        return await self._ask(Collection, "GET", _path(name))

    async def delete_collection(self, name: str) -> None:
        """With its documents and graph; its run is ended before."""
        await self._delete("DELETE", _path(name))

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
                read.
        """
        files = await asyncio.to_thread(files_of, source, creation_date, on_left_out)
        return await self._upload_files(collection, files, on_batch)

    async def upload_documents(self, collection: str, uploads: Sequence[Upload]) -> Uploaded:
        """As `upload`, of what was hashed already.

        Raises:
            UnreadableUpload: one cannot be read.
        """
        files = [NamedFile(one.name, one.size, one.open, one.creation_date) for one in uploads]
        return await self._upload_files(collection, files, lambda documents: None)

    async def _upload_files(
        self, collection: str, files: Sequence[NamedFile], on_batch: Callable[[int], None]
    ) -> Uploaded:
        new = changed = unchanged = 0
        documents: list[UploadedDocument] = []
        for batch in batches(files):
            stored = await self._upload(collection, batch)
            new, changed = new + stored.new, changed + stored.changed
            unchanged += stored.unchanged
            documents += stored.documents
            on_batch(len(batch))
        return Uploaded(new=new, changed=changed, unchanged=unchanged, documents=documents)

    def documents(
        self, collection: str, state: DocumentState | None = None
    ) -> AsyncIterator[Document]:
        """In the order of their names."""
        path = f"{_path(collection)}/documents"
        return self._rows(DocumentPage, path, lambda page: page.documents, state=state)

    async def document(self, collection: str, id: UUID) -> ShownDocument:
        """With what models cost for it."""
        return await self._ask(ShownDocument, "GET", f"{_path(collection)}/documents/{id}")

    async def document_page(
        self,
        collection: str,
        after: str | None = None,
        limit: int = _PAGE,
        state: DocumentState | None = None,
    ) -> DocumentPage:
        """Some documents, behind the name `after`."""
        params = _given(after=after, limit=limit, state=state)
        return await self._ask(DocumentPage, "GET", f"{_path(collection)}/documents", params=params)

    async def delete_documents(self, collection: str, ids: Sequence[UUID]) -> RunRef:
        """Forget them, 10,000 at most; the run takes them out of the graph."""
        body = DocumentIdsBody(documents=list(ids)).model_dump(mode="json")
        path = f"{_path(collection)}/documents/delete"
        return _read(RunRef, await self._delete("POST", path, json=body))

    async def forget_documents(self, collection: str, ids: Sequence[UUID]) -> None:
        """Those of them that are there, 10,000 at most; the next run takes them out of the
        graph."""
        body = DocumentIdsBody(documents=list(ids)).model_dump(mode="json")
        await self._delete("POST", f"{_path(collection)}/documents/forget", json=body)

    async def delete_document(self, collection: str, id: UUID) -> RunRef:
        """Forget it; the run takes it out of the graph."""
        path = f"{_path(collection)}/documents/{id}"
        return _read(RunRef, await self._delete("DELETE", path))

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
        body = IndexBody(
            method=method,
            force_rebuild=force_rebuild,
            priority=priority,
            budget_usd=budget_usd,
            batch=batch,
        )
        return await self._once(RunRef, f"{_path(collection)}/index", body)

    async def run(self, run_id: UUID) -> Run:
        """How it stands."""
        return await self._ask(Run, "GET", f"/v1/runs/{run_id}")

    async def latest_run(self, collection: str) -> Run:
        """The collection's run that is under way, or the last one."""
        return await self._ask(Run, "GET", f"{_path(collection)}/run")

    async def follow(self, run_id: UUID) -> AsyncIterator[Run]:
        """How it stands, now and whenever that changes, until its end. A connection that drops is
        opened again; nothing is told twice.

        Raises:
            Unavailable: the server stays away for a minute.
        """
        seen = ""
        loop = asyncio.get_running_loop()
        told = loop.time()  # when there was news, or a connection that had held for long
        while True:
            opened = loop.time()
            try:
                async with self._events(run_id, seen) as events:
                    if events is None:
                        return
                    async for event in events:
                        if event.event == "error":
                            raise error_of_problem(event.data)
                        told, seen = loop.time(), event.id
                        yield _parse(Run, event.data)
                        if event.event == "end":
                            return
            except SSEError as error:
                raise GraphmillError(
                    "what answers there sends no events; is it graphmill, and no proxy's page?"
                ) from error
            except (Unavailable, httpx.TransportError) as error:
                now = loop.time()
                if now - opened > _HELD_SECONDS:
                    told = now
                elif now - told > _OUTAGE_SECONDS:
                    raise _unavailable(error) from error
            await asyncio.sleep(_FIRST_PAUSE_SECONDS)

    async def wait(self, run_id: UUID) -> Run:
        """How it ended."""
        *_, last = [run async for run in self.follow(run_id)]
        return last

    async def pause(self, run_id: UUID) -> RunRef:
        """What is being read ends, nothing new begins. Raises Conflict where it has ended."""
        return await self._ask(RunRef, "POST", f"/v1/runs/{run_id}/pause")

    async def resume(self, run_id: UUID) -> RunRef:
        """Raises Conflict where it has ended."""
        return await self._ask(RunRef, "POST", f"/v1/runs/{run_id}/resume")

    async def cancel(self, run_id: UUID) -> RunRef:
        """What it has read stays. Raises Conflict where it has ended."""
        return await self._ask(RunRef, "POST", f"/v1/runs/{run_id}/cancel")

    async def retry(self, run_id: UUID, *, budget_usd: float | None = None) -> Retried:
        """Read failed and partial documents again, and ask for what is missing."""
        body = RetryBody(budget_usd=budget_usd)
        return await self._once(Retried, f"/v1/runs/{run_id}/retry", body)

    # ---- the graph

    async def query(self, collection: str, question: str, *, mode: str = "local") -> Answer:
        """An answer with citations from the published graph."""
        body = QueryBody(question=question, mode=mode).model_dump(mode="json")
        return await self._ask(Answer, "POST", f"{_path(collection)}/query", json=body)

    def entities(
        self, collection: str, *, type: str | None = None, community: int | None = None
    ) -> AsyncIterator[Entity]:
        """In the order of their titles; those of a type, of a community."""
        path = f"{_path(collection)}/entities"
        return self._rows(
            EntityPage, path, lambda page: page.entities, type=type, community=community
        )

    def neighbours(self, collection: str, id: UUID) -> AsyncIterator[Neighbour]:
        """An entity's relationships, the heaviest first, each with who is at its other end."""
        path = f"{_path(collection)}/entities/{id}/neighbours"
        return self._rows(NeighbourPage, path, lambda page: page.neighbours)

    def communities(self, collection: str, *, level: int | None = None) -> AsyncIterator[Community]:
        """In the order of their numbers; those of a level."""
        path = f"{_path(collection)}/communities"
        return self._rows(CommunityPage, path, lambda page: page.communities, level=level)

    def reports(self, collection: str, *, level: int | None = None) -> AsyncIterator[Report]:
        """In the order of their communities' numbers; those of a level."""
        path = f"{_path(collection)}/reports"
        return self._rows(ReportPage, path, lambda page: page.reports, level=level)

    async def health(self) -> Health:
        """Which parts answer; of one that does not, it is no error."""
        try:
            response = await self._http.get("/health")
        except httpx.TransportError as error:
            raise _unavailable(error) from error
        return _read(Health, response)

    # ---- HTTP

    async def _rows(
        self, kind: type[P], path: str, rows: Callable[[P], Sequence[R]], **filters: object
    ) -> AsyncIterator[R]:
        """Page after page."""
        after: str | None = None
        while True:
            params = _given(limit=_PAGE, after=after, **filters)
            page = await self._ask(kind, "GET", path, params=params)
            for row in rows(page):
                yield row
            if (after := page.next) is None:
                return

    async def _upload(self, collection: str, batch: Sequence[NamedFile]) -> Uploaded:
        key = {"Idempotency-Key": str(uuid.uuid4())}

        async def send() -> httpx.Response:
            with ExitStack() as stack:
                parts = open_parts(batch, stack)
                return await self._http.post(
                    f"{_path(collection)}/documents",
                    files=parts,
                    headers=key,
                    timeout=_SLOW_SECONDS,
                )

        return _read(Uploaded, await self._tried(send))

    async def _once(self, kind: type[M], path: str, body: BaseModel) -> M:
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return await self._ask(
            kind, "POST", path, json=body.model_dump(mode="json"), headers=headers
        )

    async def _ask(self, kind: type[M], method: str, path: str, **more: Any) -> M:
        return _read(kind, await self._send(method, path, **more))

    async def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        return await self._tried(lambda: self._http.request(method, path, **more))

    async def _delete(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Not sent again: what is gone already would be no longer found."""

        async def send() -> httpx.Response:
            return await self._http.request(method, path, timeout=_SLOW_SECONDS, **more)

        return await self._tried(send, again=False)

    async def _tried(
        self, send: Callable[[], Awaitable[httpx.Response]], *, again: bool = True
    ) -> httpx.Response:
        """The answer, if it is a success. Where a server is away, it is asked again for a while;
        not where the answer took too long, or, without `again`, where the request went out."""
        pause = _FIRST_PAUSE_SECONDS
        for last in [False] * (_TRIES - 1) + [True]:
            try:
                response = await send()
            except httpx.LocalProtocolError:
                # Its words may hold the key.
                raise GraphmillError(
                    "the request cannot be sent: a header is not well formed"
                ) from None
            except httpx.TransportError as error:
                sent = not isinstance(error, _NOT_SENT)
                if last or isinstance(error, httpx.ReadTimeout) or (sent and not again):
                    raise _unavailable(error) from error
            else:
                if response.is_success:
                    return response
                error = error_of(response)
                if last or not again or not isinstance(error, Unavailable):
                    raise error
                pause = max(pause, _retry_after(response))
            await asyncio.sleep(min(pause, _LONGEST_PAUSE_SECONDS))
            pause *= 2
        raise AssertionError("the last try returns or raises")

    @asynccontextmanager
    async def _events(
        self, run_id: UUID, seen: str
    ) -> AsyncGenerator[AsyncIterator[ServerSentEvent] | None]:
        """Those behind the one that was seen; None: that was the last."""
        headers = {"Last-Event-ID": seen} if seen else {}
        async with aconnect_sse(
            self._http,
            "GET",
            f"/v1/runs/{run_id}/events",
            headers=headers,
            timeout=_SILENT_SECONDS,
        ) as source:
            if source.response.status_code == HTTPStatus.NO_CONTENT:
                yield None
                return
            if not source.response.is_success:
                await source.response.aread()
                raise error_of(source.response)
            yield source.aiter_sse()


def _path(collection: str) -> str:
    return f"/v1/collections/{quote(collection, safe='')}"


def _given(**params: object) -> dict[str, object]:
    return {name: value for name, value in params.items() if value is not None}


def _read(kind: type[M], response: httpx.Response) -> M:
    return _parse(kind, response.content)


def _parse(kind: type[M], content: str | bytes) -> M:
    try:
        return kind.model_validate_json(content)
    except ValidationError:
        raise GraphmillError(
            f"the server's answer is no {kind.__name__}; is it graphmill, and of this release?"
        ) from None


def _retry_after(response: httpx.Response) -> float:
    given = response.headers.get("retry-after", "")
    return float(given) if given.isascii() and given.isdecimal() else 0.0


async def _traced(request: httpx.Request) -> None:
    """The server's spans belong to the trace of whoever asks."""
    request.headers.update(trace_headers())


def _unavailable(error: Exception) -> Unavailable:
    if isinstance(error, Unavailable):
        return error
    return Unavailable(
        f"graphmill's server does not answer ({type(error).__name__}); check that it runs and"
        " GRAPHMILL_URL"
    )
