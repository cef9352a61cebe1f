"""What a user does to a run, with everything restarted in between: the tables stay the same."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from graphmill.errors import NotFound
from graphmill.index_request import IndexRequest
from graphmill.models import Phase, RunState
from tests.chaos.conftest import (
    KEY,
    Point,
    Undisturbed,
    come_to,
    end_of,
    export,
    start_run,
)
from tests.support.stack import Stack, Target
from tests.support.waiting import until
from workflows.policies import IN_FLIGHT_PER_PAGE, OPEN_PAGES

pytestmark = pytest.mark.timeout(400)


def middle(run: Undisturbed) -> Point:
    return Point(Phase.DOCUMENTS, run.documents // 3, 0)


async def test_a_paused_run_stays_paused_over_a_restart_of_everything_and_resumes(
    undisturbed: Undisturbed, uploaded_stack: Callable[[], Stack], tmp_path: Path
) -> None:
    stack = uploaded_stack()
    async with stack.application() as app:
        run = await start_run(app)
        assert await come_to(app, run, middle(undisturbed))
        await app.runs.pause(run)

        async def paused() -> bool:
            return (await app.runs.status(run)).state is RunState.PAUSED

        await until(paused)
        before = await app.runs.status(run)
    stack.kill(Target.EVERYTHING)
    stack.start()
    async with stack.application() as app:
        await asyncio.sleep(5)
        after = await app.runs.status(run)
        assert after.state is RunState.PAUSED
        # What was in flight may end; nothing else begins.
        in_flight = OPEN_PAGES * IN_FLIGHT_PER_PAGE
        assert after.documents.done <= before.documents.done + in_flight < undisturbed.documents
        await app.runs.resume(run)
        status = await end_of(app, run)
        assert status.state is RunState.COMPLETED, (status, stack.log())
        assert await export(app, tmp_path / "tables") == undisturbed.tables


async def test_a_cancelled_run_leaves_a_collection_that_a_new_run_completes(
    undisturbed: Undisturbed, uploaded_stack: Callable[[], Stack], tmp_path: Path
) -> None:
    stack = uploaded_stack()
    async with stack.application() as app:
        run = await start_run(app)
        assert await come_to(app, run, middle(undisturbed))
        await app.runs.cancel(run)
        status = await end_of(app, run)
        assert status.state is RunState.CANCELLED
        with pytest.raises(NotFound):  # nothing half done is shown
            await app.exports.write(KEY, "jsonl", tmp_path / "cancelled")
        again = await start_run(app)
        assert not again.joined
        status = await end_of(app, again)
        assert status.state is RunState.COMPLETED
        assert (
            0 < status.processed < undisturbed.documents
        )  # what the first one read was not read again
        assert await export(app, tmp_path / "tables") == undisturbed.tables

        # Cancelled while a new graph is in the making, the published one stays as it was.
        rebuilt = await app.runs.start(_rebuild())
        assert await come_to(app, rebuilt, Point(Phase.COMMUNITIES, 0, 0))
        await app.runs.cancel(rebuilt)
        assert (await end_of(app, rebuilt)).state is RunState.CANCELLED
        assert await export(app, tmp_path / "published") == undisturbed.tables
        last = await start_run(app)
        assert (await end_of(app, last)).state is RunState.COMPLETED
        assert await export(app, tmp_path / "last") == undisturbed.tables


def _rebuild() -> IndexRequest:
    return IndexRequest(KEY.name, KEY.tenant, force_rebuild=True)
