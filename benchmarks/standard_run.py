"""One index of a folder by method standard on a running stack, and what its endpoint saw of it."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.cpu_time import CpuSample, sample_cpu
from graphmill.stores.postgres.database import close_pool, open_pool
from tests.support.model_endpoint import ModelEndpoint
from tests.support.model_endpoint.stats import Stats
from tests.support.stack import Stack, Target
from tests.support.waiting import until

# What takes longer is not waited for.
MOST_SECONDS = 600
# What a user's shell may have set for models of their own.
_FOREIGN = ("OPENAI_", "ANTHROPIC_", "LIGHTRAG_", "GRAPHRAG_", "AZURE_")
_LOOK_SECONDS = 0.1


class NotMeasured(Exception):
    """The words say why."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Of the worker that asks models, in bytes: before the run, and the most at any time in it."""

    before: int
    most: int


@dataclass(frozen=True, slots=True)
class StandardRun:
    """`seconds` from the command on a stack that runs to its end, the command's own start included;
    `status` is what it printed."""

    seconds: float
    cpu: CpuSample
    memory: Memory
    stats: Stats
    status: dict[str, Any]


async def measure_standard(
    folder: Path, home: Path, endpoint: ModelEndpoint, places: int, *, all_wait: bool = False
) -> StandardRun:
    """On a stack of its own.

    Args:
        places: calls that graphmill is told to have at the endpoint at once.
        all_wait: no call is let in before all documents are read and wait for a model.

    Raises:
        NotMeasured: it did not end, or not well.
    """
    stack = Stack(home)
    stack.environment = without_foreign(stack.environment) | {
        "OPENAI_BASE_URL": endpoint.base_url,
        "OPENAI_MODEL": "a-model",
        "GRAPHMILL_LLM_CONCURRENCY": str(places),
    }
    loop = asyncio.get_running_loop()
    words = ("index", str(folder), "--collection", "bench", "--method", "standard", "--wait")
    try:
        await asyncio.to_thread(stack.start)
        await endpoint.reset()
        async with _watching_memory(stack) as memory:
            before, began = sample_cpu(home), loop.time()
            indexing = asyncio.to_thread(stack.run_json, *words, timeout=MOST_SECONDS)
            if all_wait:
                async with _closed_until_read(stack, sum(1 for _ in folder.iterdir())):
                    code, status = await indexing
            else:
                code, status = await indexing
            seconds = loop.time() - began
        cpu = sample_cpu(home).since(before)
        stats = await endpoint.stats(arrivals=False)
    except subprocess.TimeoutExpired:
        raise NotMeasured(f"not done after {MOST_SECONDS} s") from None
    except (RuntimeError, AssertionError) as error:  # it does not start; it says no JSON
        raise NotMeasured(last_line(str(error))) from error
    finally:
        await asyncio.to_thread(stack.kill_everything)
    if code != 0 or status["state"] != "completed":
        raise NotMeasured(f"ended with {code}: {status.get('reason') or status['state']}")
    return StandardRun(seconds, cpu, Memory(memory[0], max(memory)), stats, status)


@asynccontextmanager
async def _closed_until_read(stack: Stack, documents: int) -> AsyncGenerator[None]:
    """The endpoint has no places until so many documents are read."""
    assert stack.addresses is not None
    pool = await open_pool(stack.addresses.database_url, 1)

    async def all_read() -> bool:
        return documents == await pool.fetchval(
            "SELECT count(*) FROM documents WHERE state = 'pending' AND read_by IS NOT NULL"
        )

    async def is_declared() -> bool:
        return await pool.fetchval("SELECT count(*) > 0 FROM model_endpoints")

    async def open_when_read(places: int) -> None:
        await until(all_read, MOST_SECONDS)
        await pool.execute("UPDATE model_endpoints SET places = $1", places)

    try:
        await until(is_declared)  # by the worker, which may be later than the stack's word
        places = await pool.fetchval("SELECT places FROM model_endpoints")
        await pool.execute("UPDATE model_endpoints SET places = 0")
        opening = asyncio.create_task(open_when_read(places))
        yield
        await opening
    finally:
        await close_pool(pool)


@asynccontextmanager
async def _watching_memory(stack: Stack) -> AsyncGenerator[list[int]]:
    [worker] = stack.find(Target.LLM_WORKER)
    seen = [worker.memory_info().rss]

    async def watch() -> None:
        with contextlib.suppress(psutil.Error):
            while True:
                await asyncio.sleep(_LOOK_SECONDS)
                seen.append(worker.memory_info().rss)

    watching = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def without_foreign(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(_FOREIGN)}


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
