"""kill -9 at a random moment of a run: it ends by itself, with the tables of an undisturbed run."""

import asyncio
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from graphmill.models import RunState
from tests.chaos.conftest import (
    Undisturbed,
    come_to,
    end_of,
    export,
    start_run,
)
from tests.support.stack import Stack, Target

# One moment each in `make test`; CHAOS_SEED=N tries another.
SEED = int(os.environ.get("CHAOS_SEED", "3"))
MOMENTS = 10

pytestmark = pytest.mark.timeout(400)


# The worker that asks models has nothing to do here (tests/e2e/test_standard.py kills it).
ALL_TARGETS = [target for target in Target if target is not Target.LLM_WORKER]
# A process of the pool is killed in `make soak`, and by tests of the pool itself.
TARGETS = [target for target in ALL_TARGETS if target is not Target.POOL_PROCESS]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name.lower())
def test_a_run_survives_one_kill_at_a_random_moment(
    target: Target,
    undisturbed: Undisturbed,
    uploaded_stack: Callable[[], Stack],
    tmp_path: Path,
) -> None:
    # Each in a part of the run of its own, and with every seed in another one.
    part = (TARGETS.index(target) + SEED) % len(TARGETS)
    fraction = (part + random.Random(f"{SEED} {target}").random()) / len(TARGETS)
    asyncio.run(_survives(target, fraction, undisturbed, uploaded_stack, tmp_path))


@pytest.mark.soak
@pytest.mark.parametrize("moment", range(MOMENTS))
@pytest.mark.parametrize("target", ALL_TARGETS, ids=lambda target: target.name.lower())
def test_a_run_survives_a_kill_at_moments_over_its_whole_length(
    target: Target,
    moment: int,
    undisturbed: Undisturbed,
    uploaded_stack: Callable[[], Stack],
    tmp_path: Path,
) -> None:
    # One in each tenth of the run: documents, graph, communities, embeddings, publishing.
    fraction = (moment + random.Random(f"{SEED} {target} {moment}").random()) / MOMENTS
    asyncio.run(_survives(target, fraction, undisturbed, uploaded_stack, tmp_path))


async def _survives(
    target: Target,
    fraction: float,
    undisturbed: Undisturbed,
    uploaded_stack: Callable[[], Stack],
    tmp_path: Path,
) -> None:
    while True:
        point = undisturbed.point_at(fraction)
        print(f"seed {SEED}: {target} at {fraction:.3f} of the run, {point}")
        stack = uploaded_stack()
        async with stack.application() as app:
            run = await start_run(app)
            reached = await come_to(app, run, point)
            stack.kill(target)
        if reached:
            break
        # This run was faster than the one that was measured.
        fraction *= 0.95
    if target is Target.EVERYTHING:
        stack.start()
    async with stack.application() as app:
        status = await end_of(app, run)
        assert status.state is RunState.COMPLETED, (status, stack.log())
        assert status.documents.done == undisturbed.documents
        assert await export(app, tmp_path / "tables") == undisturbed.tables
