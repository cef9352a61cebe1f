"""A sign of life while an activity works, so that a dead worker is noticed within seconds."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from temporalio import activity


@asynccontextmanager
async def heartbeating() -> AsyncGenerator[None]:
    """Heartbeat three times in each heartbeat timeout for as long as the block takes."""
    timeout = activity.info().heartbeat_timeout
    if timeout is None:
        yield
        return

    async def beat(every: float) -> None:
        while True:
            await asyncio.sleep(every)
            activity.heartbeat()

    task = asyncio.create_task(beat(timeout.total_seconds() / 3))
    try:
        yield
    finally:
        task.cancel()
