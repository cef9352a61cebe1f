"""One request's connection: what was sent, whether the client is still there, and the answer."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from starlette.types import Receive, Send

_PIECE = 8


class Client:
    """Made for every call, so it is thin: it watches the connection only where a call waits."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send

    async def body(self) -> bytes | None:
        """What was sent; None where the client left amid it."""
        parts: list[bytes] = []
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                return b"".join(parts)

    async def stays(self, seconds: float) -> bool:
        """Wait; False as soon as the client leaves."""
        if seconds <= 0:
            return True
        try:
            # Every call comes here: without a task it is cheaper.
            async with asyncio.timeout(seconds):
                await self.wait_until_left()
        except TimeoutError:
            return True
        return False

    async def stays_until(self, future: "asyncio.Future[None]") -> bool:
        """Wait for it; False as soon as the client leaves."""
        leaving = asyncio.create_task(self.wait_until_left())
        await asyncio.wait({leaving, future}, return_when=asyncio.FIRST_COMPLETED)
        stays = not leaving.done()
        leaving.cancel()
        return stays

    async def wait_until_left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def answer(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        await self._start(status, len(body), headers)
        await self._send({"type": "http.response.body", "body": body})

    async def answer_json(
        self, status: int, content: Any, headers: Mapping[str, str] | None = None
    ) -> None:
        await self.answer(status, json.dumps(content).encode(), headers)

    async def answer_in_pieces(self, body: bytes, seconds: float) -> bool:
        """A few bytes at a time; False where the client left amid it."""
        await self._start(200, len(body))
        pause = seconds / max(1, len(body) // _PIECE)
        for start in range(0, len(body), _PIECE):
            if start and not await self.stays(pause):
                return False
            more = start + _PIECE < len(body)
            piece = body[start : start + _PIECE]
            await self._send({"type": "http.response.body", "body": piece, "more_body": more})
        return True

    async def cut(self, body: bytes, length: int) -> None:
        """Headers and so many bytes of the body; the server closes the connection at what is
        missing."""
        await self._start(200, len(body))
        await self._send({"type": "http.response.body", "body": body[:length], "more_body": True})

    async def _start(
        self, status: int, length: int, headers: Mapping[str, str] | None = None
    ) -> None:
        sent = [
            (b"content-type", b"application/json"),
            (b"content-length", str(length).encode()),
        ]
        if headers:
            sent += [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": sent})
