"""Many calls at once, of which one that fails ends none of the others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def for_each(
    items: AsyncIterator[T], work: Callable[[T], Awaitable[None]], at_once: int
) -> None:
    """Work on all items, so many at once.

    Raises:
        Exception: the first that `work` or `items` raised. After it no further item is begun, and
            what was begun (and may be paid for) has come to its end.
    """
    taking = asyncio.Lock()
    first: BaseException | None = None

    async def work_on_items() -> None:
        nonlocal first
        while first is None:
            try:
                async with taking:
                    if first is not None:  # while it waited for its turn
                        return
                    item = await anext(items)
                if first is not None:
                    return
                await work(item)
            except StopAsyncIteration:
                return
            except BaseException as error:
                first = first or error
                raise

    await asyncio.gather(*(work_on_items() for _ in range(at_once)), return_exceptions=True)
    if first is not None:
        raise first


async def each_of(items: Iterable[T]) -> AsyncIterator[T]:
    for item in items:
        yield item
