"""What the API does by itself, whether anybody asks it or not."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from graphmill.application.graphmill import Graphmill
from graphmill.errors import GraphmillError

_HOUR_SECONDS = 3600.0
_log = logging.getLogger(__name__)


@asynccontextmanager
async def upkeep(app: Graphmill, every_seconds: float = _HOUR_SECONDS) -> AsyncGenerator[None]:
    """For the time of the block, answers that were kept for a day are removed, hour by hour."""
    task = asyncio.create_task(_forget(app, every_seconds))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _forget(app: Graphmill, every_seconds: float) -> None:
    while True:
        try:
            await app.idempotency.forget_old()
        except GraphmillError as error:
            _log.info("old answers are removed later: %s", error)
        except Exception:  # or nobody would remove any more, in silence
            _log.exception("old answers could not be removed; it is tried again later")
        await asyncio.sleep(every_seconds)
