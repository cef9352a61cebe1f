"""A process beside a worker for what needs much memory."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import psutil

from graphmill.process_pool import ProcessPool


@asynccontextmanager
async def process_for_large() -> AsyncGenerator[ProcessPool]:
    """For one graph at a time, which is ours and may need what the machine has, where a document
    may not; a process that worked on a large one is not kept."""
    large = ProcessPool(1, 1, psutil.virtual_memory().total)
    try:
        yield large
    finally:
        await large.close()
