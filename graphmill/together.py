"""What many want at the same moment is done at once, for all of them."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from graphmill.telemetry.spans import call_span
from graphmill.telemetry.subjects import apart

T = TypeVar("T")
R = TypeVar("R")


class Together(Generic[T, R]):
    """Items that come while work is under way are the next work, together: no item waits for
    company, and a thousand a second are no reason for a thousand statements."""

    def __init__(
        self,
        work: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]],
        most: int,
        abandon: Callable[[T], None] | None = None,
        *,
        name: str,
    ) -> None:
        """
        Args:
            name: of what an item waits for, in its trace: the work itself is in nobody's.
            work: done on `most` items at the most; gives for each, in order, what came of it. What
                it raises, all of them get.
            abandon: of an item that nobody waits for any more. It is left out; `abandon` is told of
                it where the work had begun, after that. None: it is done all the same, and who
                is cancelled hears so after that.
        """
        self._work = work
        self._most = most
        self._name = name
        self._abandon = abandon
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._working: asyncio.Task[None] | None = None

    async def do(self, item: T) -> R:
        """What came of this item.

        Raises:
            Exception: what `work` raised, or gave for this item.
        """
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._working is None or self._working.done():
            with apart():
                self._working = asyncio.create_task(self._work_on())
        try:
            with call_span(self._name, {"graphmill.together": True}):
                return await (future if self._abandon is not None else asyncio.shield(future))
        except asyncio.CancelledError:
            if self._abandon is None:
                await asyncio.wait([future])
            elif future.done() and not future.cancelled():
                self._abandon(item)  # it came in the very moment in which nobody wanted it any more
            if future.done() and not future.cancelled():
                future.exception()  # nobody is told of it
            raise

    async def close(self) -> None:
        """When all that was asked for is done."""
        if self._working is not None:
            await asyncio.wait([self._working])

    async def _work_on(self) -> None:
        await asyncio.sleep(0)  # for those who come in this moment
        while taken := self._take():
            try:
                results = await self._work([item for item, _ in taken])
            except BaseException as error:
                self._tell(taken, [error] * len(taken))
                if not isinstance(error, Exception):
                    raise
            else:
                self._tell(taken, results)

    def _take(self) -> list[tuple[T, asyncio.Future[R]]]:
        taken: list[tuple[T, asyncio.Future[R]]] = []
        while self._waiting and len(taken) < self._most:
            item, future = self._waiting.popleft()
            if self._abandon is None or not future.done():
                taken.append((item, future))
        return taken

    def _tell(
        self,
        taken: Sequence[tuple[T, asyncio.Future[R]]],
        results: Sequence[R | BaseException],
    ) -> None:
        for (item, future), result in zip(taken, results, strict=True):
            if future.done():  # nobody waits any more
                if self._abandon is not None:
                    self._abandon(item)
            elif isinstance(result, asyncio.CancelledError):
                future.cancel()
            elif isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)
