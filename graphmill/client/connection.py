"""HTTP as a client speaks it: what fails in passing is tried again, lists come page by page, and
events go on where a connection dropped."""

import asyncio
import os
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
from httpx_sse import ServerSentEvent, SSEError, aconnect_sse
from pydantic import BaseModel, ValidationError

from graphmill.api_keys import InvalidKey
from graphmill.client.errors import error_of, error_of_problem, not_ours
from graphmill.errors import GraphmillError, InvalidRequest, Unavailable
from graphmill.http_address import check_graphmill_url
from graphmill.http_api.schemas import Page
from graphmill.names import check_tenant_name
from graphmill.telemetry.spans import trace_headers

M = TypeVar("M", bound=BaseModel)
R = TypeVar("R")
P = TypeVar("P", bound=Page)

PAGE = 1000
_URL = "http://127.0.0.1:8000"
# Where it comes from; commands have none but the second.
_ADDRESS = "`url` of the client, or GRAPHMILL_URL"
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
# Of a run; others tell of the connection.
_STATES = ("progress", "end")


class Connection:
    """To one server, for whoever has this key."""

    def __init__(
        self,
        url: str | None,
        api_key: str | None,
        tenant: str | None,
        timeout: float,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        """
        Raises:
            InvalidRequest: the address is none, or no tenant is named so.
            InvalidKey: no key is such.
        """
        key = (api_key or os.environ.get("GRAPHMILL_API_KEY") or "").strip()
        if not key.isascii() or not key.isprintable():
            raise InvalidKey("the API key has characters that no key has")
        headers: dict[str, str] = {}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        if tenant is not None:
            headers["X-Tenant"] = check_tenant_name(tenant)
        self._address = _checked(url or os.environ.get("GRAPHMILL_URL") or _URL)
        self._http = httpx.AsyncClient(
            base_url=self._address,
            headers=headers,
            timeout=timeout,
            transport=transport,
            event_hooks={"request": [_traced]},
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(self, kind: type[M], method: str, path: str, **more: Any) -> M:
        """`more`: as httpx takes it."""
        return self._read(kind, await self._send(method, path, **more))

    async def ask_once(self, kind: type[M], path: str, body: BaseModel) -> M:
        """Done once, however often it is sent."""
        return await self.ask(
            kind, "POST", path, json=body.model_dump(mode="json"), headers=_new_key()
        )

    async def ask_as_it_is(self, kind: type[M], path: str) -> M:
        """The first answer, of whatever status."""
        try:
            response = await self._http.get(path)
        except httpx.TransportError as error:
            raise self._unavailable(error) from error
        if not response.is_success and not _is_json(response):
            raise error_of(response, self._address)
        return self._read(kind, response)

    async def upload(
        self, kind: type[M], path: str, send: Callable[["Uploading"], Awaitable[httpx.Response]]
    ) -> M:
        """What `send` sends, which it is asked for with each try; done once."""
        uploading = Uploading(self._http, path, _new_key())
        return self._read(kind, await self._tried(lambda: send(uploading)))

    async def delete(self, method: str, path: str, **more: Any) -> None:
        """Not sent again: what is gone already would be no longer found."""
        await self._delete(method, path, **more)

    async def ask_to_delete(self, kind: type[M], method: str, path: str, **more: Any) -> M:
        """As `delete`, with what the server answers."""
        return self._read(kind, await self._delete(method, path, **more))

    async def _delete(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            return await self._http.request(method, path, timeout=_SLOW_SECONDS, **more)

        return await self._tried(send, again=False)

    async def rows(
        self, kind: type[P], path: str, rows: Callable[[P], Sequence[R]], **filters: object
    ) -> AsyncIterator[R]:
        """Page after page."""
        after: str | None = None
        while True:
            params = given(limit=PAGE, after=after, **filters)
            page = await self.ask(kind, "GET", path, params=params)
            for row in rows(page):
                yield row
            if (after := page.next) is None:
                return

    async def follow(self, kind: type[M], path: str) -> AsyncIterator[M]:
        """What events tell, until the last. A connection that drops is opened again; nothing is
        told twice.

        Raises:
            Unavailable: the server stays away for a minute.
        """
        seen = ""
        loop = asyncio.get_running_loop()
        told = loop.time()  # when there was news, or a connection that was one
        while True:
            opened, came = loop.time(), False
            try:
                async with self._events(path, seen) as events:
                    if events is None:
                        return
                    async for event in events:
                        came = True
                        if event.event == "error":
                            raise error_of_problem(event.data)
                        if event.event not in _STATES:
                            continue
                        told, seen = loop.time(), event.id
                        yield parse(kind, event.data)
                        if event.event == "end":
                            return
                now = loop.time()
                # A server that ends sends its followers away, and has a minute to come back. What
                # sends nothing and ends at once is none.
                if came or now - opened > _HELD_SECONDS:
                    told = now
                elif now - told > _OUTAGE_SECONDS:
                    raise Unavailable("what answers there ends its events before the first one")
            except SSEError as error:
                raise GraphmillError(
                    "what answers there sends no events; is it graphmill, and no proxy's page?"
                ) from error
            except (Unavailable, httpx.TransportError) as error:
                now = loop.time()
                if now - opened > _HELD_SECONDS:
                    told = now
                elif now - told > _OUTAGE_SECONDS:
                    raise self._unavailable(error) from error
            await asyncio.sleep(_FIRST_PAUSE_SECONDS)

    def _read(self, kind: type[M], response: httpx.Response) -> M:
        """
        Raises:
            GraphmillError: it is another thing.
        """
        if not _is_json(response):
            raise GraphmillError(not_ours(response, self._address))
        return parse(kind, response.content)

    async def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        return await self._tried(lambda: self._http.request(method, path, **more))

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
                    raise self._unavailable(error) from error
            else:
                if response.is_success:
                    return response
                error = error_of(response, self._address)
                if last or not again or not isinstance(error, Unavailable):
                    raise error
                pause = max(pause, _retry_after(response))
            await asyncio.sleep(min(pause, _LONGEST_PAUSE_SECONDS))
            pause *= 2
        raise AssertionError("the last try returns or raises")

    def _unavailable(self, error: Exception) -> Unavailable:
        if isinstance(error, Unavailable):
            return error
        return Unavailable(
            f"graphmill's server at {self._address} does not answer ({type(error).__name__});"
            f" check that it runs and {_ADDRESS}"
        )

    @asynccontextmanager
    async def _events(
        self, path: str, seen: str
    ) -> AsyncGenerator[AsyncIterator[ServerSentEvent] | None]:
        """Those behind the one that was seen; None: that was the last."""
        headers = {"Last-Event-ID": seen} if seen else {}
        async with aconnect_sse(
            self._http, "GET", path, headers=headers, timeout=_SILENT_SECONDS
        ) as source:
            if source.response.status_code == HTTPStatus.NO_CONTENT:
                yield None
                return
            if not source.response.is_success:
                await source.response.aread()
                raise error_of(source.response, self._address)
            yield source.aiter_sse()


class Uploading:
    """One upload, however often it is sent."""

    def __init__(self, http: httpx.AsyncClient, path: str, key: dict[str, str]) -> None:
        self._http = http
        self._path = path
        self._key = key

    async def send(self, parts: Any) -> httpx.Response:
        """`parts`: as httpx takes the `files` of a multipart body."""
        return await self._http.post(
            self._path, files=parts, headers=self._key, timeout=_SLOW_SECONDS
        )


def given(**params: object) -> dict[str, object]:
    """Those that are."""
    return {name: value for name, value in params.items() if value is not None}


def _is_json(response: httpx.Response) -> bool:
    """As all answers of ours that are no errors."""
    return response.headers.get("content-type", "").startswith("application/json")


def parse(kind: type[M], content: str | bytes) -> M:
    """
    Raises:
        GraphmillError: it is another thing.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError:
        raise GraphmillError(
            f"the server's answer is no {kind.__name__}; is it graphmill, and of this release?"
        ) from None


def _new_key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def _retry_after(response: httpx.Response) -> float:
    told = response.headers.get("retry-after", "")
    return float(told) if told.isascii() and told.isdecimal() else 0.0


async def _traced(request: httpx.Request) -> None:
    """The server's spans belong to the trace of whoever asks."""
    request.headers.update(trace_headers())


def _checked(url: str) -> str:
    """
    Raises:
        InvalidRequest: it is no address of a server.
    """
    # What is before an @ may be a secret.
    shown = "" if "@" in url else f" is {url!r}"
    try:
        address = check_graphmill_url(url)
        httpx.URL(address)
    except (ValueError, httpx.InvalidURL) as error:
        raise InvalidRequest(f"the server's address ({_ADDRESS}){shown}: {error}") from None
    return address
