"""What was paid for is kept: also if the database is away for a moment, or who paid is stopped."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import asyncpg

from graphmill.stores.postgres.database import is_transient

# As long as a server may take to come back; who waits for the answer waits with it.
_KEEP_SECONDS = 120.0
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0

_kept: set[asyncio.Task[None]] = set()


async def keep(write: Callable[[], Awaitable[object]]) -> None:
    """Write to the end, even if whoever waits for it is cancelled.

    Args:
        write: may be done twice, since nobody knows what became of one whose reply was lost.

    Raises:
        Exception: what `write` raises that no later time makes good; or still does after two
            minutes.
    """
    writing = asyncio.create_task(keep_trying(write))
    _kept.add(writing)
    writing.add_done_callback(_kept.discard)
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait([writing])
        raise


async def keep_trying(write: Callable[[], Awaitable[object]], since: float | None = None) -> None:
    """As `keep`, for who cannot be cancelled.

    Args:
        since: from when on the two minutes count (time.monotonic()); None: from now on.
    """
    until = (time.monotonic() if since is None else since) + _KEEP_SECONDS
    pause = _FIRST_PAUSE
    while True:
        try:
            await write()
            return
        except Exception as error:
            # Two writes of the same at once, of which the other was quicker; more are none.
            twice = isinstance(error, asyncpg.UniqueViolationError) and pause < 1
            if not (is_transient(error) or twice) or time.monotonic() + pause > until:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
