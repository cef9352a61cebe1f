"""A worker says what it does, for GET /health/pools."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

from graphmill.worker_pools import Pool, PoolStore

# As often where something changes, and as seldom where nothing does: well before it counts as gone.
_OFTEN_SECONDS = 2.0
_SELDOM_SECONDS = 10.0
_END_SECONDS = 2.0

_logger = logging.getLogger(__name__)


@asynccontextmanager
async def reporting(
    store: PoolStore, worker: str, pools: Callable[[], Sequence[Pool]]
) -> AsyncGenerator[None]:
    """For the time of a block; who cannot say it goes on working."""
    process = uuid4()

    async def tell() -> None:
        told: object = None
        seldom = 0.0
        loop = asyncio.get_running_loop()
        while True:
            now = pools()
            if now and (_news(now) != told or loop.time() >= seldom):
                try:
                    async with asyncio.timeout(_SELDOM_SECONDS):
                        await store.tell(process, worker, now)
                    told, seldom = _news(now), loop.time() + _SELDOM_SECONDS
                except Exception as error:
                    _logger.warning("pools could not be reported (%s)", type(error).__name__)
            await asyncio.sleep(_OFTEN_SECONDS)

    telling = asyncio.create_task(tell(), name="report pools")
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        with contextlib.suppress(Exception):  # the server may be gone; then its age tells
            async with asyncio.timeout(_END_SECONDS):
                await store.forget(process)


def _news(pools: Sequence[Pool]) -> object:
    """Without what changes with the clock."""
    return [
        (
            one.queue,
            one.size,
            one.active,
            [(task.kind, task.workflow_id, task.attempt) for task in one.running],
        )
        for one in pools
    ]
