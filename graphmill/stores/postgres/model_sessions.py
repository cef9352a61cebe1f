"""This process as others see it: alive, or gone and what it held is free."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg

from graphmill.llm.limits import LEASE_SECONDS

_BEAT_SECONDS = LEASE_SECONDS / 5

_logger = logging.getLogger(__name__)


@asynccontextmanager
async def open_session(pool: asyncpg.Pool) -> AsyncGenerator[UUID]:
    """A session that is seen as long as the block lasts; claims and places go with it."""
    session = uuid4()
    await _beat(pool, session)
    beating = asyncio.create_task(_keep_beating(pool, session), name="model session")
    try:
        yield session
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        with contextlib.suppress(Exception):  # the server may be gone; then the lease ends it
            await pool.execute("DELETE FROM model_claims WHERE session = $1", session)
            await pool.execute("DELETE FROM model_sessions WHERE id = $1", session)


async def _beat(pool: asyncpg.Pool, session: UUID) -> None:
    await pool.execute(
        "INSERT INTO model_sessions (id) VALUES ($1)"
        " ON CONFLICT (id) DO UPDATE SET seen_at = now()",
        session,
    )
    # Of the dead, long after anybody could take them for living.
    await pool.execute(
        "DELETE FROM model_sessions WHERE seen_at < now() - make_interval(secs => $1)",
        60 * LEASE_SECONDS,
    )


async def _keep_beating(pool: asyncpg.Pool, session: UUID) -> None:
    while True:
        await asyncio.sleep(_BEAT_SECONDS)
        try:
            await _beat(pool, session)
        except Exception as error:
            # Whatever it is: without a beat others would ask what is being asked here.
            _logger.warning("the model session could not be renewed (%s)", type(error).__name__)
