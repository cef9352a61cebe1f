"""A server of few words, for tests of how an endpoint is spoken to."""

import asyncio
import re
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trustme

EMPTY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


class SmallServer:
    """Answers each request as soon as it may, in the same words; `cuts`: and hangs up."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0
        self.heads: list[bytes] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.answer = EMPTY
        self.cuts = False
        self.port = 0

    @property
    def lines(self) -> list[bytes]:
        """The first of each request."""
        return [head.partition(b"\r\n")[0] for head in self.heads]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        while head := await reader.readuntil(b"\r\n\r\n"):
            self.heads.append(head)
            await reader.readexactly(_length_of(head))
            await self.may_answer.wait()
            writer.write(self.answer)
            await writer.drain()
            if self.cuts:
                return


@asynccontextmanager
async def small_server(certificate: trustme.LeafCert | None = None) -> AsyncGenerator[SmallServer]:
    found = SmallServer()
    encrypted = None
    if certificate is not None:
        encrypted = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(encrypted)  # pyright: ignore[reportUnknownMemberType]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await found.serve(reader, writer)
        except asyncio.IncompleteReadError:
            found.closed += 1
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=encrypted)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()


def _length_of(head: bytes) -> int:
    found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert found is not None
    return int(found[1])
