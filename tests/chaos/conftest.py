"""The undisturbed run that every disturbed one is compared with, and homes to disturb."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from graphmill.application.folder import find_files
from graphmill.application.graphmill import Graphmill
from graphmill.application.run_workflows import RunHandle
from graphmill.bootstrap import open_application
from graphmill.embedded.stack import Parts, running_stack
from graphmill.index_request import IndexRequest
from graphmill.models import CollectionKey, Phase, RunState
from graphmill.run_status import RunStatus
from graphmill.settings import load_settings
from graphmill.tenancy import acting_for
from tests.support.corpus import read_passages, write_passages
from tests.support.stack import Stack

# Of the run that is disturbed: in `make test`, and in the long version.
_FEW = 150
_MANY = 300
KEY = CollectionKey("default", "chaos")
# A disturbed run waits for heartbeats and leases of what was killed to run out.
RUN_SECONDS = 150
_POLL_SECONDS = 0.03
# Of the moments at which a run is disturbed.
_READING_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a run: in the phase of documents by how many ended, later by the clock."""

    phase: Phase
    ended: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """`home`: where the documents wait; `indexed`: where the run has ended. `tables` by file name;
    `timeline` is (seconds since the start, where the run was)."""

    documents: int
    home: Path
    indexed: Path
    tables: dict[str, bytes]
    timeline: tuple[tuple[float, Point], ...]

    def point_at(self, fraction: float) -> Point:
        """Where the run was at a moment between its start (0) and its end (1).

        By the clock; but reading documents takes its share of the moments however long it takes:
        what comes after it is short, and can go wrong in as many ways.
        """
        reading = [e for e in self.timeline if e[1].phase in (Phase.STARTING, Phase.DOCUMENTS)]
        building = self.timeline[len(reading) :]
        if fraction < _READING_SHARE:
            part, within = reading, fraction / _READING_SHARE
        else:
            part, within = building, (fraction - _READING_SHARE) / (1 - _READING_SHARE)
        first, last = part[0][0], part[-1][0]
        moment = first + within * (last - first)
        return [point for seconds, point in part if seconds <= moment][-1]


@pytest.fixture(scope="session")
def undisturbed(
    shared: Path, long_versions: bool, tmp_path_factory: pytest.TempPathFactory
) -> Undisturbed:
    folder = tmp_path_factory.mktemp("chaos")
    documents = _MANY if long_versions else _FEW
    write_passages(folder / "corpus", read_passages(shared)[:documents])
    asyncio.run(_upload(folder / "uploaded", folder / "corpus"))
    copy_home(folder / "uploaded", folder / "home")
    stack = Stack(folder / "home")
    stack.start()
    try:
        tables, timeline = asyncio.run(_run(stack, documents, folder / "tables"))
    finally:
        stack.kill_everything()
    return Undisturbed(documents, folder / "uploaded", folder / "home", tables, timeline)


@pytest.fixture
def uploaded_stack(undisturbed: Undisturbed, tmp_path: Path) -> Iterator[Callable[[], Stack]]:
    """Gives stacks that run, each in a new home where the documents wait to be indexed."""
    stacks: list[Stack] = []

    def start() -> Stack:
        home = tmp_path / f"home{len(stacks)}"
        copy_home(undisturbed.home, home)
        stack = Stack(home)
        stacks.append(stack)
        stack.start()
        return stack

    yield start
    for stack in stacks:
        stack.kill_everything()
        shutil.rmtree(stack.home.path, ignore_errors=True)


def copy_home(source: Path, target: Path) -> None:
    # cp -a: PostgreSQL's files belong to the account that it runs under.
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


async def start_run(app: Graphmill) -> RunHandle:
    return await app.runs.start(IndexRequest(KEY.name, KEY.tenant))


async def come_to(app: Graphmill, run: RunHandle, point: Point) -> bool:
    """Return when the run is at this point; False where it ended before."""
    phases = list(Phase)
    while True:
        status = await app.runs.status(run, with_failures=False)
        if status.ended:
            return False
        if phases.index(status.phase) > phases.index(point.phase):
            return True
        if status.phase is point.phase:
            if point.phase is Phase.DOCUMENTS:
                if status.documents.done >= point.ended:
                    return True
            else:
                await asyncio.sleep(point.seconds)
                return not (await app.runs.status(run, with_failures=False)).ended
        await asyncio.sleep(_POLL_SECONDS)


async def end_of(app: Graphmill, run: RunHandle) -> RunStatus:
    """The run's last status; it has to end by itself."""
    async with asyncio.timeout(RUN_SECONDS):
        return [status async for status in app.runs.wait(run)][-1]


async def export(app: Graphmill, folder: Path) -> dict[str, bytes]:
    """The exported tables by file name."""
    await app.exports.write(KEY, "jsonl", folder)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


async def _upload(home: Path, corpus: Path) -> None:
    settings = load_settings({"home": home, "temporal_address": None, "database_url": None})
    async with (
        running_stack(settings, Parts.SERVERS) as addresses,
        open_application(settings, addresses) as app,
    ):
        with acting_for(KEY.tenant):
            plan = await app.documents.plan_upload(KEY, find_files([corpus], 1_000_000).files)
            await app.documents.upload(KEY, plan.uploads)


async def _run(
    stack: Stack, documents: int, folder: Path
) -> tuple[dict[str, bytes], tuple[tuple[float, Point], ...]]:
    timeline: list[tuple[float, Point]] = []
    async with stack.application() as app:
        began = time.monotonic()
        run = await start_run(app)
        since = {Phase.STARTING: began}
        while True:
            status = await app.runs.status(run, with_failures=False)
            now = time.monotonic()
            if status.ended:
                break
            phase_began = since.setdefault(status.phase, now)
            timeline.append(
                (now - began, Point(status.phase, status.documents.done, now - phase_began))
            )
            await asyncio.sleep(_POLL_SECONDS)
        assert status.state is RunState.COMPLETED, status
        assert status.documents.done == documents
        return await export(app, folder), tuple(timeline)
