"""How long a graph's community reports take, against what the endpoint's places allow.

A simulated endpoint over HTTP, 3.5 s a call; 168 communities, of ten entities or rolled up from
those. The worker has asked before, as it has in a run: its connections are open.
"""

import asyncio
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx2
import openai
from temporalio.testing import ActivityEnvironment

from activities.model_reports import ModelReportActivities
from graphmill.embedded.stack import Parts, running_stack
from graphmill.llm.caller import ModelCaller
from graphmill.llm.pool import Retried
from graphmill.messages import GraphRef, GraphShard
from graphmill.model_endpoints import open_model_caller
from graphmill.models import CollectionKey
from graphmill.settings import Settings, load_settings
from graphmill.standard.options import StandardOptions
from graphmill.stores.postgres.database import open_pool
from graphmill.stores.postgres.model_reports import PostgresModelReportStore
from graphmill.stores.postgres.options import PostgresOptionsStore
from tests.support.hierarchies import Tree, store_hierarchies
from tests.support.model_endpoint import Behaviour, running_endpoint

SECONDS = 3.5
PLACES = (50, 100, 150, 200)
COMMUNITIES = 168
# With descriptions of so many words ten entities fit into a question, and a hundred do not.
_WORDS = 60
# Long enough that all calls before are in the air at once.
_WARM_SECONDS = 1.0
# About as long as the questions of reports.
_BARE_WORDS = 1500
_OPTIONS = StandardOptions("a-model", "a-model", "a-model")


@dataclass(frozen=True, slots=True)
class Shape:
    """`levels`: how many communities wait for those of the level before, the deepest first."""

    name: str
    roots: tuple[Tree, ...]
    levels: tuple[int, ...]

    def bound(self, places: int) -> float:
        """Seconds: no endpoint of so many places could be done sooner, level by level."""
        return sum(ceil(communities / places) * SECONDS for communities in self.levels)


SHAPES = (
    Shape("all whole", (10,) * 168, (168,)),
    Shape("12 rolled up", ((10,) * 10,) * 12 + (10,) * 36, (156, 12)),
    Shape(
        "3 levels",
        (((10,) * 10,) * 4,) * 3 + (10,) * 33,
        (153, 12, 3),
    ),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """`seconds` and `cpu_seconds` of the activity; `at_endpoint`: from its first call to its
    last."""

    seconds: float
    cpu_seconds: float
    at_endpoint: float
    busy_share: float


async def measure_reports(places: int, shape: Shape = SHAPES[1]) -> Measured:
    """All reports of a graph of this shape, by one activity of one worker."""
    with tempfile.TemporaryDirectory(prefix="graphmill-bench-") as folder:
        async with (
            running_stack(_settings(folder), Parts.SERVERS) as addresses,
            running_endpoint(Behaviour(places=places, seconds=_WARM_SECONDS)) as endpoint,
        ):
            given = {"name": "simulated", "base_url": endpoint.base_url, "places": places}
            settings = _settings(folder, [given])
            pool = await open_pool(addresses.database_url, settings.database_connections)
            try:
                async with open_model_caller(pool, settings, _print_retry) as caller:
                    await _write_reports(pool, caller, await _make_graph(pool, (3,) * places))
                    part = await _make_graph(pool, shape.roots)
                    await endpoint.change(seconds=SECONDS)
                    await endpoint.reset()
                    began, cpu_began = time.monotonic(), time.process_time()
                    written = await _write_reports(pool, caller, part)
                    seconds, cpu_seconds = time.monotonic() - began, time.process_time() - cpu_began
            finally:
                await pool.close()
            stats = await endpoint.stats(arrivals=False)
    assert stats.answered == written == COMMUNITIES
    assert stats.first_start is not None
    assert stats.last_end is not None
    at_endpoint = stats.last_end - stats.first_start
    return Measured(seconds, cpu_seconds, at_endpoint, stats.busy_share)


async def measure_bare_calls(places: int) -> float:
    """Seconds of COMMUNITIES calls of the openai library and nothing else, so many at once as
    there are places; the connections are open here too."""
    limits = httpx2.Limits(max_connections=places, max_keepalive_connections=places)
    async with (
        running_endpoint(Behaviour(places=places, seconds=_WARM_SECONDS)) as endpoint,
        openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key="none",
            max_retries=0,
            http_client=httpx2.AsyncClient(limits=limits, timeout=60),
        ) as client,
    ):
        free = asyncio.Semaphore(places)

        async def ask(number: int) -> None:
            async with free:
                await client.chat.completions.create(
                    model="a-model",
                    messages=[{"role": "user", "content": f"{number} {'word ' * _BARE_WORDS}"}],
                )

        await asyncio.gather(*(ask(-1 - number) for number in range(places)))
        await endpoint.change(seconds=SECONDS)
        began = time.monotonic()
        await asyncio.gather(*(ask(number) for number in range(COMMUNITIES)))
        return time.monotonic() - began


async def _make_graph(pool: asyncpg.Pool, roots: Sequence[Tree]) -> GraphShard:
    key = CollectionKey("default", f"reports-{len(roots)}")
    graph_id = await store_hierarchies(pool, key, roots, _WORDS)
    await PostgresOptionsStore(pool).save_options(key, _OPTIONS)
    return GraphShard(GraphRef(key, graph_id, UUID(int=1), _OPTIONS.digest), 0, 1)


async def _write_reports(pool: asyncpg.Pool, caller: ModelCaller, part: GraphShard) -> int:
    activities = ModelReportActivities(
        PostgresModelReportStore(pool), PostgresOptionsStore(pool), caller
    )
    return await ActivityEnvironment().run(activities.write_model_reports, part)


def _print_retry(retried: Retried) -> None:
    print(f"asked again: {retried.error}")


def _settings(folder: str, endpoints: Sequence[Mapping[str, object]] = ()) -> Settings:
    return load_settings(
        {
            "home": Path(folder) / "home",
            "temporal_address": None,
            "database_url": None,
            "endpoints": endpoints,
        }
    )
