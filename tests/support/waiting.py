"""Waiting for what comes about by itself, with a bound."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(holds: Callable[[], bool | Awaitable[bool]], seconds: float = 20) -> None:
    """Return as soon as it holds.

    Raises:
        TimeoutError: it does not come to hold.
    """
    async with asyncio.timeout(seconds):
        while True:
            found = holds()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.02)
