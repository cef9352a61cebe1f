"""What a heartbeat tells."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from temporalio.testing import ActivityEnvironment

from activities.heartbeats import heartbeating, note_retry
from tests.support.waiting import until


async def beats_of(*reasons: str) -> list[tuple[object, ...]]:
    """Of an activity whose calls, each in a task of its own, are made again for these reasons."""
    beats: list[tuple[object, ...]] = []
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, heartbeat_timeout=timedelta(seconds=0.06))
    environment.on_heartbeat = lambda *details: beats.append(details)

    async def call(reason: str) -> None:
        note_retry(reason)

    async def work() -> None:
        async with heartbeating():
            await asyncio.gather(*map(call, reasons))
            await until(lambda: len(beats) >= 2)
        note_retry("after its end")

    await environment.run(work)
    return beats


async def test_a_heartbeat_tells_how_often_calls_were_made_again_and_why() -> None:
    beats = await beats_of("'a' answers 503", "'b' answers 429")
    told = {"calls_made_again": 2, "last_reason": "'b' answers 429"}
    assert beats[0] == beats[1] == (told,)


async def test_activities_tell_of_their_own_calls_only() -> None:
    troubled, quiet = await asyncio.gather(beats_of("'a' answers 503"), beats_of())
    assert troubled[-1] == ({"calls_made_again": 1, "last_reason": "'a' answers 503"},)
    assert set(quiet) == {()}
