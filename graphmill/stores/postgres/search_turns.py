"""So many searches of a process at once: each holds a connection for as long as it takes, and what
else is asked of the process needs one too."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from graphmill.errors import Unavailable
from graphmill.turns.line import Line
from graphmill.turns.turn import Turn


class SearchTurns:
    """Tenants take turns: one with hundreds of slow questions keeps nobody waiting for all."""

    def __init__(self, places: int, seconds: float) -> None:
        """`seconds`: how long one may wait for a place."""
        self._free = places
        self._seconds = seconds
        self._line: Line[asyncio.Future[None]] = Line()

    @asynccontextmanager
    async def turn(self, tenant: str) -> AsyncGenerator[None]:
        """
        Raises:
            Unavailable: no place came free in time.
        """
        await self._enter(tenant)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, tenant: str) -> None:
        entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.add(entered, Turn(key=tenant))
        self._let_in()
        try:
            async with asyncio.timeout(self._seconds):
                await entered
        except BaseException as error:
            if entered in self._line:
                self._line.leave(entered)
            elif not entered.cancelled():  # let in at the very moment
                self._leave()
            if isinstance(error, TimeoutError):
                raise Unavailable(
                    f"other searches are under way, and none ended within {self._seconds:g} s; ask"
                    " again later. Who runs graphmill may allow more at once with a higher"
                    " GRAPHMILL_DATABASE_CONNECTIONS"
                ) from None
            raise

    def _leave(self) -> None:
        self._free += 1
        self._let_in()

    def _let_in(self) -> None:
        while self._free and self._line:
            entered = self._line.next()
            if not entered.done():  # gave up at this moment
                self._free -= 1
                entered.set_result(None)
