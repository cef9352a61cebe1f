"""kill -9 in the middle of writing another store: it ends by itself, and nothing is missing there,
doubled or dangling."""

import asyncio
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from neo4j import AsyncDriver

from graphmill.application.graphmill import Graphmill
from tests.chaos.conftest import KEY, RUN_SECONDS, Undisturbed, copy_home
from tests.support.neo4j import Neo4jServer
from tests.support.stack import Stack, Target

SEED = int(os.environ.get("CHAOS_SEED", "3"))
MOMENTS = 5

pytestmark = pytest.mark.timeout(400)


def _kill_neo4j(stack: Stack, neo4j: Neo4jServer) -> None:
    neo4j.kill()
    neo4j.start()


def _kill_postgres(stack: Stack, neo4j: Neo4jServer) -> None:
    stack.kill(Target.POSTGRES)


def _kill_worker(stack: Stack, neo4j: Neo4jServer) -> None:
    stack.kill(Target.LLM_WORKER)  # the one that writes stores too


KILLS: dict[str, Callable[[Stack, Neo4jServer], None]] = {
    "neo4j": _kill_neo4j,
    "postgresql": _kill_postgres,
    "worker": _kill_worker,
}


@pytest.fixture
def neo4j(tmp_path: Path) -> Iterator[Neo4jServer]:
    server = Neo4jServer(tmp_path / "neo4j")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def stack(undisturbed: Undisturbed, neo4j: Neo4jServer, tmp_path: Path) -> Iterator[Stack]:
    """With a published graph that Neo4j has not seen yet."""
    copy_home(undisturbed.indexed, tmp_path / "home")
    stack = Stack(tmp_path / "home", {"NEO4J_URI": neo4j.uri})
    stack.start()
    yield stack
    stack.kill_everything()
    shutil.rmtree(stack.home.path, ignore_errors=True)


def test_a_store_is_whole_after_a_kill_while_it_is_written(
    stack: Stack, neo4j: Neo4jServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEO4J_URI", neo4j.uri)
    asyncio.run(_is_whole(_kill_neo4j, random.Random(SEED).random(), stack, neo4j))


@pytest.mark.soak
@pytest.mark.parametrize("moment", range(MOMENTS))
@pytest.mark.parametrize("kill", KILLS)
def test_a_store_is_whole_after_a_kill_at_moments_over_the_whole_writing(
    kill: str,
    moment: int,
    stack: Stack,
    neo4j: Neo4jServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NEO4J_URI", neo4j.uri)
    fraction = (moment + random.Random(f"{SEED} {kill} {moment}").random()) / MOMENTS
    asyncio.run(_is_whole(KILLS[kill], fraction, stack, neo4j))


async def _is_whole(
    kill: Callable[[Stack, Neo4jServer], None], fraction: float, stack: Stack, neo4j: Neo4jServer
) -> None:
    async with stack.application() as app:
        nodes = await _nodes_to_come(app)
        workflow_id = await app.projections.rebuild(KEY)
        async with neo4j.open_driver() as driver:
            await _come_to(driver, int(fraction * nodes))
        print(f"seed {SEED}: killed at {fraction:.3f} of {nodes} nodes")
        await asyncio.to_thread(kill, stack, neo4j)
        async with asyncio.timeout(RUN_SECONDS):
            await app.projections.wait(workflow_id)
        checked = await app.projections.check(KEY)
        assert checked.ok, (checked, stack.log())
    async with neo4j.open_driver() as driver:
        # Apart from how the check looks: nodes by their ids, of which each is there once.
        found = await driver.execute_query(
            "MATCH (n) WHERE n.id IS NOT NULL RETURN count(n) AS n, count(DISTINCT n.id) AS ids"
        )
        assert found.records[0]["n"] == found.records[0]["ids"] == nodes


async def _nodes_to_come(app: Graphmill) -> int:
    checked = await app.projections.check(KEY)
    (store,) = checked.stores
    return sum(one.records[0] for one in store.kinds if one.kind != "relationship")


async def _come_to(driver: AsyncDriver, nodes: int) -> None:
    async with asyncio.timeout(RUN_SECONDS):
        while True:
            found = await driver.execute_query("MATCH (n) RETURN count(n) AS n")
            if found.records[0]["n"] >= nodes:
                return
            await asyncio.sleep(0.02)
