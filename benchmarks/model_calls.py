"""How full an endpoint is kept by calls that are stored, claimed and limited; a bare loop beside.

A simulated endpoint over HTTP: 50 places, half a second a call, 1,000 questions that wait from the
start. The endpoint itself says how busy its places were between the first call and the last.
"""

import asyncio
import itertools
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx

from graphmill.embedded.stack import Parts, running_stack
from graphmill.models import CollectionKey
from graphmill.settings import load_settings
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.database import open_pool
from tests.support.model_endpoint import Behaviour, ModelEndpoint, running_endpoint

PLACES = 50
SECONDS = 0.5
QUESTIONS = 1000
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Busy:
    """Shares of the endpoint's places that were busy, and the seconds that each way took."""

    workers: int
    stored: float
    stored_seconds: float
    bare: float
    bare_seconds: float


async def measure_calls(workers: int) -> Busy:
    """All questions, shared out among so many worker processes; then in a bare loop of one."""
    with tempfile.TemporaryDirectory(prefix="graphmill-bench-") as folder:
        settings = load_settings(
            {"home": Path(folder) / "home", "temporal_address": None, "database_url": None}
        )
        async with (
            running_stack(settings, Parts.SERVERS) as addresses,
            running_endpoint(Behaviour(places=PLACES, seconds=SECONDS)) as endpoint,
        ):
            pool = await open_pool(addresses.database_url, 2)
            key = CollectionKey("default", "calls")
            await PostgresCatalog(pool).create_collection(key)
            try:
                await _ask_through_workers(Path(folder), addresses.database_url, endpoint, workers)
                stored = await endpoint.stats(arrivals=False)
                assert stored.answered == await _answers(pool) == QUESTIONS
            finally:
                await pool.close()
            await endpoint.reset()
            await _ask_bare(endpoint)
            bare = await endpoint.stats(arrivals=False)
    assert stored.first_start is not None
    assert stored.last_end is not None
    assert bare.first_start is not None
    assert bare.last_end is not None
    return Busy(
        workers,
        stored.busy_share,
        stored.last_end - stored.first_start,
        bare.busy_share,
        bare.last_end - bare.first_start,
    )


async def _answers(pool: asyncpg.Pool) -> int:
    return await pool.fetchval("SELECT count(*) FROM model_calls WHERE valid")


async def _ask_through_workers(
    folder: Path, database_url: str, endpoint: ModelEndpoint, workers: int
) -> None:
    (folder / "graphmill.toml").write_text(
        f'[[endpoints]]\nname = "simulated"\nbase_url = "{endpoint.base_url}"\nplaces = {PLACES}\n'
    )
    starts = [QUESTIONS * number // workers for number in range(workers + 1)]
    askers = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.asker", "default", "calls"),
            *(str(end - start), str(start)),
            cwd=folder,
            env=os.environ | {"DATABASE_URL": database_url, "PYTHONPATH": str(_ROOT)},
            stdout=asyncio.subprocess.DEVNULL,
        )
        for start, end in itertools.pairwise(starts)
    ]
    for asker in askers:
        assert await asker.wait() == 0


async def _ask_bare(endpoint: ModelEndpoint) -> None:
    """As many callers as places, each asking one thing after the other; nothing is stored."""
    numbers = iter(range(QUESTIONS))
    limits = httpx.Limits(max_connections=PLACES, max_keepalive_connections=PLACES)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:

        async def caller() -> None:
            for number in numbers:
                response = await client.post(
                    f"{endpoint.base_url}/chat/completions",
                    content=json.dumps(
                        {
                            "model": "a-model",
                            "messages": [{"role": "user", "content": f"bare {number}"}],
                        }
                    ),
                )
                response.raise_for_status()

        await asyncio.gather(*(caller() for _ in range(PLACES)))
