"""ProjectGraph on a real Temporal server: stores follow what is published, and hold up nobody."""

import asyncio
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError

from graphmill.errors import PermanentError, Unavailable
from graphmill.messages import TASK_QUEUE
from graphmill.models import CollectionKey, RunState
from graphmill.projections.messages import (
    PROJECT,
    PROJECT_GRAPH,
    ProjectedToStore,
    project_workflow_id,
)
from tests.support.index_run import IndexRun
from tests.support.road import Road
from tests.support.waiting import until

Projecting = WorkflowHandle[Any, list[ProjectedToStore]]


async def start(
    client: Client, collection: str, *, id: str = "", **given: Any
) -> WorkflowHandle[Any, Any]:
    return await client.start_workflow(
        PROJECT_GRAPH,
        {"collection": collection, **given},
        id=id or project_workflow_id(CollectionKey("default", collection)),
        task_queue=TASK_QUEUE,
        result_type=list[ProjectedToStore],
        start_signal=PROJECT if not id else None,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )


def under_way(client: Client, collection: str) -> Projecting:
    key = CollectionKey("default", collection)
    return client.get_workflow_handle(project_workflow_id(key), result_type=list[ProjectedToStore])


async def test_a_published_graph_goes_to_every_store(
    client: Client, collection: str, road: Road, index: IndexRun
) -> None:
    road.projected, road.stores = True, {"Neo4j": [], "Qdrant": []}
    road.add("one.txt")
    await index.to_end()
    projected = await under_way(client, collection).result()
    assert sorted(one.store for one in projected) == ["Neo4j", "Qdrant"]
    assert road.stores == {"Neo4j": [("1", False)], "Qdrant": [("1", False)]}


async def test_no_workflow_is_started_where_no_store_is_set(
    client: Client, collection: str, road: Road, index: IndexRun
) -> None:
    road.add("one.txt")
    await index.to_end()
    with pytest.raises(Exception, match="not found"):
        await under_way(client, collection).describe()


async def test_a_run_ends_while_a_store_is_away_and_the_store_follows_when_it_is_back(
    client: Client, collection: str, road: Road, index: IndexRun
) -> None:
    road.projected, road.stores = True, {"Neo4j": [], "Qdrant": []}
    road.fails["project_to_store Neo4j"] = Unavailable("Neo4j does not answer")
    road.add("one.txt")
    assert (await index.to_end()).state is RunState.COMPLETED
    await until(lambda: road.stores["Qdrant"] == [("1", False)])
    road.add("two.txt")
    assert (await index.to_end()).state is RunState.COMPLETED
    # The other one is not kept waiting.
    await until(lambda: road.stores["Qdrant"] == [("1", False), ("2", False)])
    assert road.stores["Neo4j"] == []
    del road.fails["project_to_store Neo4j"]
    await under_way(client, collection).result()
    assert road.stores["Neo4j"][-1] == ("2", False)


async def test_a_graph_published_while_a_store_is_written_is_written_after_it(
    client: Client, collection: str, road: Road, index: IndexRun
) -> None:
    road.projected = True
    held = road.hold("project_to_store Neo4j")
    road.add("one.txt")
    await index.to_end()
    await held.arrived()
    road.add("two.txt")
    await index.to_end()
    held.open()
    await under_way(client, collection).result()
    assert road.stores["Neo4j"][-1] == ("2", False)
    assert len(road.stores["Neo4j"]) == 2


async def test_a_store_that_is_set_while_another_one_is_away_is_followed_from_the_next_graph_on(
    client: Client, collection: str, road: Road, index: IndexRun
) -> None:
    road.projected = True
    road.fails["project_to_store Neo4j"] = Unavailable("Neo4j does not answer")
    road.add("one.txt")
    await index.to_end()
    road.stores["Qdrant"] = []
    road.add("two.txt")
    await index.to_end()
    # Where the first look came late, it has got that graph too.
    await until(lambda: ("2", False) in road.stores["Qdrant"])
    # And one that is set no more is given up.
    del road.stores["Neo4j"]
    road.add("three.txt")
    await index.to_end()
    projected = await under_way(client, collection).result()
    assert [one.store for one in projected] == ["Qdrant"]
    assert road.stores["Qdrant"][-1] == ("3", False)


async def test_what_goes_wrong_in_one_store_is_told_when_the_others_are_written(
    client: Client, collection: str, road: Road
) -> None:
    road.stores = {"Neo4j": [], "Qdrant": []}
    road.published.append(7)
    road.fails["project_to_store Neo4j"] = PermanentError("a surprise")
    held = road.hold("project_to_store Qdrant")
    run = await start(client, collection)
    await held.arrived()
    await asyncio.sleep(0.5)
    held.open()
    with pytest.raises(WorkflowFailureError) as failure:
        await run.result()
    assert "a surprise" in str(failure.value.cause.__cause__)
    assert road.stores["Qdrant"] == [("7", False)]


async def test_all_is_written_afresh_once_where_that_is_asked_for(
    client: Client, collection: str, road: Road
) -> None:
    road.published.append(7)
    held = road.hold("project_to_store Neo4j")
    run = await start(client, collection)
    await held.arrived()
    await run.signal(PROJECT, True)
    held.open()
    await run.result()
    assert [afresh for _, afresh in road.stores["Neo4j"]] in ([False, True], [True])
    again = await start(client, collection, afresh=True)
    await again.result()
    assert road.stores["Neo4j"][-1] == ("7", True)


@pytest.mark.parametrize(
    ("given", "id", "words"),
    [
        ({"afres": True}, "", "unknown field afres"),
        ({"afresh": "yes"}, "", "afresh is 'yes'"),
        ({"tenant": "rival"}, "", "it must be 'project/rival/"),
        ({}, "project/default/another", "it must be 'project/default/test"),
    ],
)
async def test_what_is_wrong_is_refused_at_once(
    given: dict[str, Any], id: str, words: str, client: Client, collection: str, road: Road
) -> None:
    run = await start(client, collection, id=id, **given)
    with pytest.raises(WorkflowFailureError) as failure:
        await asyncio.wait_for(run.result(), 20)
    assert isinstance(failure.value.cause, ApplicationError)
    assert words in str(failure.value.cause)
    assert road.stores["Neo4j"] == []
