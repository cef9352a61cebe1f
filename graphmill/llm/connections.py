"""Connections to one endpoint, each with a client of its own.

A pool of httpx looks at each of its connections when a request begins and when it ends: with 200
of them that was a third of what a call costs this process. Here who asks takes the connection that
was given back last, which is one step however many there are; those that nobody has needed for a
while are closed.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Generator

import httpx2
import openai

_CONNECT_SECONDS = 10.0
# Endpoints close what is idle for longer, and a socket that they closed is still one of ours.
_IDLE_SECONDS = 15.0


class Connections:
    """`seconds` bounds the silence of an endpoint; whoever asks bounds the whole call."""

    def __init__(
        self, base_url: str, api_key: str, seconds: float, idle_seconds: float = _IDLE_SECONDS
    ) -> None:
        self._base_url = base_url
        self._api_key = api_key
        self._timeout = httpx2.Timeout(seconds, connect=_CONNECT_SECONDS)
        self._idle_seconds = idle_seconds
        self._certificates = httpx2.create_ssl_context()  # read once: it takes as long as 50 calls
        # With the time since when; the one that was given back first is the first.
        self._idle: deque[tuple[float, openai.AsyncOpenAI]] = deque()
        self._closing: set[asyncio.Task[None]] = set()

    @contextlib.contextmanager
    def take(self) -> Generator[openai.AsyncOpenAI]:
        """One for one call at a time; it never retries by itself."""
        client = self._idle.pop()[1] if self._idle else self._open()
        try:
            yield client
        finally:
            now = time.monotonic()
            self._idle.append((now, client))
            while now - self._idle[0][0] > self._idle_seconds:
                self._close(self._idle.popleft()[1])

    def _open(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            base_url=self._base_url,
            api_key=self._api_key,
            max_retries=0,
            http_client=httpx2.AsyncClient(verify=self._certificates, timeout=self._timeout),
        )

    def _close(self, client: openai.AsyncOpenAI) -> None:
        closing = asyncio.create_task(client.close(), name="idle connection")
        self._closing.add(closing)
        closing.add_done_callback(self._closed)

    def _closed(self, closing: asyncio.Task[None]) -> None:
        self._closing.discard(closing)
        if not closing.cancelled():
            closing.exception()  # what was broken is gone as well

    async def close(self) -> None:
        """When no call is in the air any more."""
        while self._idle:
            self._close(self._idle.popleft()[1])
        await asyncio.gather(*self._closing, return_exceptions=True)
