"""Connections to one endpoint, each with a client of its own.

A pool of httpx looks at each of its connections when a request begins and when it ends: with 200
of them that was a third of what a call costs this process. Here who asks takes the connection that
was given back last, which is one step however many there are.
"""

import asyncio
import contextlib
from collections.abc import Generator

import httpx2
import openai

_CONNECT_SECONDS = 10.0


class Connections:
    """`seconds` bounds the silence of an endpoint; whoever asks bounds the whole call."""

    def __init__(self, base_url: str, api_key: str, seconds: float) -> None:
        self._base_url = base_url
        self._api_key = api_key
        self._timeout = httpx2.Timeout(seconds, connect=_CONNECT_SECONDS)
        self._certificates = httpx2.create_ssl_context()  # read once: it takes as long as 50 calls
        self._idle: list[openai.AsyncOpenAI] = []

    @contextlib.contextmanager
    def take(self) -> Generator[openai.AsyncOpenAI]:
        """One for one call at a time; it never retries by itself."""
        client = self._idle.pop() if self._idle else self._open()
        try:
            yield client
        finally:
            self._idle.append(client)

    def _open(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            base_url=self._base_url,
            api_key=self._api_key,
            max_retries=0,
            http_client=httpx2.AsyncClient(verify=self._certificates, timeout=self._timeout),
        )

    async def close(self) -> None:
        """When no call is in the air any more."""
        idle, self._idle = self._idle, []
        closing = (client.close() for client in idle)
        await asyncio.gather(*closing, return_exceptions=True)
