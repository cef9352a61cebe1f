"""Of a collection that is gone nothing stays in a store; what a store fails to take is told."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.projections import ProjectionActivities
from graphmill.errors import NotFound, SettingsError, Unavailable
from graphmill.models import CollectionKey
from graphmill.projections.messages import ProjectToStore
from graphmill.projections.ports import ProjectionSource

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
    def __init__(self) -> None:
        self.said: list[tuple[str, ...]] = []

    async def expect(self, key: CollectionKey, stores: Sequence[str]) -> None:
        self.said.append(("expect", *stores))

    async def note_synced(self, key: CollectionKey, store: str, version: str) -> None:
        self.said.append(("synced", store, version))

    async def note_failed(self, key: CollectionKey, store: str, reason: str) -> None:
        self.said.append(("failed", store, reason))

    async def forget(self, key: CollectionKey, store: str) -> None:
        self.said.append(("forget", store))


class Projecting:
    def __init__(self, source: Source | NotFound | None) -> None:
        self.store, self.standings = Store(), Standings()
        self._source = source
        self.activities = ProjectionActivities(self._open, (cast(Any, self.store),), self.standings)

    @asynccontextmanager
    async def _open(self, key: CollectionKey) -> AsyncGenerator[ProjectionSource | None]:
        if isinstance(self._source, NotFound):
            raise self._source
        yield cast(Any, self._source)

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


async def test_a_store_that_is_set_no_more_is_an_error() -> None:
    with pytest.raises(SettingsError, match="Qdrant"):
        await Projecting(Source()).project("Qdrant")
