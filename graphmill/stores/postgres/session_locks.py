"""Locks that end with the process that holds them, however it ends, and take nothing of a pool.

They are advisory locks of one session of PostgreSQL. A block that holds a lock may last for hours
and needs connections itself: blocks that held one of a pool's each could take all of them, and wait
for another for ever. So all the locks of a process are on one connection of their own, which is
there as long as one of them is held; if it breaks, they all end, and their blocks are not told.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg

from graphmill.stores.postgres.database import connect, is_transient

# Neither statement waits for anybody: later than that the server is gone, and the locks with it.
_SECONDS = 10.0


class SessionLocks:
    """Of a process; `url`: of the database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection | None = None
        # A connection does one thing at a time.
        self._turn = asyncio.Lock()
        # A session gets a lock again that it has: within the process these tell who has it.
        self._held: set[str] = set()
        self._leaving: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncGenerator[bool]:
        """Whether nobody else has the lock: then it is held for as long as the block takes.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        if name in self._held:
            yield False
            return
        self._held.add(name)
        taken: bool | None = None  # nobody knows, if this is cancelled on the way
        try:
            taken = await self._take(name)
            yield taken
        finally:
            # To the end, whoever is cancelled meanwhile.
            leaving = asyncio.create_task(self._leave(name, taken=taken is not False))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            await asyncio.shield(leaving)

    async def _take(self, name: str) -> bool:
        async with self._turn:
            if self._connection is not None and not self._connection.is_closed():
                try:
                    return await _try_lock(self._connection, name)
                except Exception as error:
                    # It may have ended just now, and not say so yet.
                    if not is_transient(error):
                        raise
                    self._connection.terminate()
            self._connection = None
            self._connection = await connect(self._url)
            return await _try_lock(self._connection, name)

    async def _leave(self, name: str, *, taken: bool) -> None:
        async with self._turn:
            self._held.discard(name)
            connection = self._connection
            if connection is None:
                return
            try:
                if self._held:
                    if taken:
                        await connection.execute(
                            "SELECT pg_advisory_unlock(hashtextextended($1, 0))",
                            name,
                            timeout=_SECONDS,
                        )
                    return
                await connection.close(timeout=_SECONDS)
            except Exception:
                # Whatever it is: the lock ends with the connection, as do all others.
                connection.terminate()
            self._connection = None


async def _try_lock(connection: asyncpg.Connection, name: str) -> bool:
    return await connection.fetchval(
        "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", name, timeout=_SECONDS
    )
