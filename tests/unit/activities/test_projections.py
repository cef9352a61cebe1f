"""Of a collection that is gone nothing stays in a store; what a store fails to take is told."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.projections import ProjectionActivities
from graphmill.errors import NotFound, Unavailable
from graphmill.models import CollectionKey
from graphmill.projections.messages import ProjectToStore
from graphmill.projections.ports import ProjectionSource
from graphmill.projections.records import Kind
from graphmill.projections.syncing import Afresh, Progress, Synced

KEY = CollectionKey("acme", "letters")


class Source:
    """A graph without a record."""

    version = "7"

    async def digests(self, kind: object) -> AsyncIterator[tuple[UUID, str]]:
        for none in ():
            yield none


class Store:
    name = "Neo4j"
    kinds = ()

    def __init__(self) -> None:
        self.held = "6"
        self.cleared = 0
        self.away = False

    async def prepare(self) -> None:
        if self.away:
            raise Unavailable("Neo4j does not answer")

    async def version(self, key: CollectionKey) -> str:
        return self.held

    async def set_version(self, key: CollectionKey, version: str) -> None:
        self.held = version

    async def clear(self, key: CollectionKey) -> None:
        self.cleared += 1


class Standings:
    """`refuses`: as where a source has the last connection, and waiting for one more has no end."""

    def __init__(self) -> None:
        self.said: list[tuple[str, ...]] = []
        self.refuses = False

    async def expect(self, key: CollectionKey, stores: Sequence[str]) -> None:
        assert not self.refuses
        self.said.append(("expect", *stores))

    async def note_synced(self, key: CollectionKey, store: str, version: str) -> None:
        assert not self.refuses
        self.said.append(("synced", store, version))

    async def note_failed(self, key: CollectionKey, store: str, reason: str) -> None:
        self.said.append(("failed", store, reason))

    async def forget(self, key: CollectionKey, store: str) -> None:
        self.said.append(("forget", store))


class Projecting:
    def __init__(self, source: Source | NotFound | None) -> None:
        self.store, self.standings = Store(), Standings()
        self._source = source
        self.alone = True
        self.activities = ProjectionActivities(
            self._open, (cast(Any, self.store),), self.standings, self._hold
        )

    @asynccontextmanager
    async def _open(self, key: CollectionKey) -> AsyncGenerator[ProjectionSource | None]:
        if isinstance(self._source, NotFound):
            raise self._source
        self.standings.refuses = True
        try:
            yield cast(Any, self._source)
        finally:
            self.standings.refuses = False

    @asynccontextmanager
    async def _hold(self, name: str) -> AsyncGenerator[bool]:
        assert name == "project acme/letters Neo4j"
        yield self.alone

    async def project(self, store: str = "Neo4j") -> str:
        environment = ActivityEnvironment()
        asked = ProjectToStore(KEY, store)
        return (await environment.run(self.activities.project_to_store, asked)).version


async def test_a_store_holds_what_is_published() -> None:
    projecting = Projecting(Source())
    assert await projecting.project() == "7"
    assert projecting.store.held == "7"
    assert projecting.standings.said == [("synced", "Neo4j", "7")]


async def test_nothing_stays_of_a_collection_that_is_gone() -> None:
    projecting = Projecting(NotFound("there is no collection 'letters'"))
    assert await projecting.project() == ""
    assert projecting.store.cleared == 1
    assert projecting.standings.said == [("forget", "Neo4j")]
    run = ActivityEnvironment().run
    assert await run(projecting.activities.expect_projections, KEY) == ("Neo4j",)
    assert len(projecting.standings.said) == 1


async def test_nothing_stays_where_nothing_is_published() -> None:
    projecting = Projecting(None)
    assert await projecting.project() == ""
    assert projecting.store.cleared == 1
    assert projecting.standings.said == [("synced", "Neo4j", "")]


async def test_a_store_that_is_away_is_told_and_tried_again() -> None:
    projecting = Projecting(Source())
    projecting.store.away = True
    with pytest.raises(ApplicationError, match="does not answer") as failure:
        await projecting.project()
    assert not failure.value.non_retryable
    assert failure.value.next_retry_delay is not None
    assert projecting.standings.said == [("failed", "Neo4j", "Neo4j does not answer")]


async def test_a_store_that_this_worker_does_not_know_is_left_to_another_one() -> None:
    projecting = Projecting(Source())
    with pytest.raises(ApplicationError, match="Qdrant is not set") as failure:
        await projecting.project("Qdrant")
    assert not failure.value.non_retryable
    assert projecting.standings.said[0][:2] == ("failed", "Qdrant")


async def test_a_store_that_another_worker_still_writes_is_not_touched() -> None:
    projecting = Projecting(Source())
    projecting.alone = False
    with pytest.raises(ApplicationError, match="another worker") as failure:
        await projecting.project()
    assert not failure.value.non_retryable
    assert projecting.store.held == "6"


async def test_whatever_goes_wrong_is_told_without_a_word_of_what_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def spoilt(self: Store, key: CollectionKey) -> str:
        raise ValueError("badly formed: a text of somebody's")

    monkeypatch.setattr(Store, "version", spoilt)
    projecting = Projecting(Source())
    with pytest.raises(ValueError, match="badly"):
        await projecting.project()
    assert projecting.standings.said == [("failed", "Neo4j", "ValueError")]


async def test_which_stores_there_are_is_written_down() -> None:
    projecting = Projecting(Source())
    run = ActivityEnvironment().run
    assert await run(projecting.activities.expect_projections, KEY) == ("Neo4j",)
    assert projecting.standings.said == [("expect", "Neo4j")]


async def test_how_far_all_was_written_is_known_to_the_next_try() -> None:
    """By heartbeats, which a try that went wrong leaves behind."""
    environment = ActivityEnvironment()
    last = UUID(int=77)
    environment.info = replace(
        environment.info, heartbeat_details=[{"kind": "entity", "last": str(last)}]
    )
    heard: list[Afresh | None] = []

    async def listen(*of: object, afresh: Afresh | None) -> Synced:
        heard.append(afresh)
        return Synced(0, 0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("activities.projections.sync", listen)
        for asked in (True, False):
            await environment.run(
                Projecting(Source()).activities.project_to_store,
                ProjectToStore(KEY, "Neo4j", asked),
            )
    assert [one and one.since for one in heard] == [Progress(Kind.ENTITY, last), None]
