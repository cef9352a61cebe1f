"""Titles are compared in a process of its own, which leaves the event loop to others."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast
from uuid import uuid4

import pytest
from temporalio.testing import ActivityEnvironment

from activities.resolution import ResolutionActivities, TooManyTitles
from graphmill.embedding import LocalEmbedder
from graphmill.llm.caller import ModelCaller
from graphmill.messages import GraphRef
from graphmill.models import CollectionKey
from graphmill.ports import ProcessRunner, ResolutionStore
from graphmill.process_pool import ProcessPool, TaskTooLarge
from graphmill.standard.entity_groups import Groups
from graphmill.standard.options import OptionsStore, StandardOptions
from graphmill.standard.title_search import SeenTitles, search_titles
from tests.support.waiting import until

GRAPH = GraphRef(CollectionKey("default", "sample"), 1, uuid4(), "options")


class Store:
    """Titles in memory. None of them is doubtful, so no model is asked."""

    def __init__(self, titles: SeenTitles) -> None:
        self._titles = titles
        self.groups: Groups | None = None

    async def load_titles(self, *_: object) -> SeenTitles:
        return self._titles

    async def load_verdicts(self, *_: object) -> tuple[()]:
        return ()

    async def load_options(self, *_: object) -> StandardOptions:
        return StandardOptions("m", "m", "m")

    async def save_groups(self, _: object, groups: Groups) -> None:
        self.groups = groups


def many(count: int) -> SeenTitles:
    """Of which two are one thing, and all others are apart: their numbers differ."""
    seen = SeenTitles()
    seen.extend((f"PLACE {number}", "geo", 1) for number in range(count - 1))
    seen.extend([("PLACE-0", "geo", 1)])
    return seen


def activities(store: Store, processes: ProcessRunner) -> ResolutionActivities:
    return ResolutionActivities(
        cast(ResolutionStore, store),
        cast(OptionsStore, store),
        cast(ModelCaller, None),
        LocalEmbedder(),
        processes,
    )


async def test_the_worker_does_other_things_while_titles_are_compared() -> None:
    """Told by its CPU time, which others on the machine do not lengthen."""
    titles = many(8_000)
    begun = time.process_time()
    expected = search_titles(titles, ())
    alone = time.process_time() - begun
    assert len(expected.pairs.decided) == 1
    assert not expected.pairs.near
    pool = ProcessPool(1, 1, 4_000_000_000)
    await pool.start()
    try:
        store = Store(titles)
        begun = time.process_time()
        resolved = await ActivityEnvironment().run(activities(store, pool).resolve_entities, GRAPH)
        spent = time.process_time() - begun
    finally:
        await pool.close()
    assert resolved == 1
    assert store.groups is not None
    assert spent < alone / 4


async def test_a_cancelled_search_ends_its_process() -> None:
    pool = ProcessPool(1, 1, 4_000_000_000)
    searching = asyncio.ensure_future(
        ActivityEnvironment().run(activities(Store(many(150_000)), pool).resolve_entities, GRAPH)
    )
    await until(lambda: bool(pool.process_ids))
    await asyncio.sleep(0.2)
    searching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await searching
    assert not pool.process_ids
    await pool.close()


class TooLarge:
    async def run(
        self, function: Callable[..., Any], /, *args: object, timeout_seconds: float
    ) -> Any:
        raise TaskTooLarge("more than 8,000 MB of memory would be needed")


async def test_too_many_titles_are_told_with_what_to_do_and_not_tried_again() -> None:
    failing = activities(Store(many(1_000)), TooLarge())
    with pytest.raises(TooManyTitles, match=r"1,000 titles, more than 8,000 MB.*with more memory"):
        await ActivityEnvironment().run(failing.resolve_entities, GRAPH)
