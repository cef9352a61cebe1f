"""BuildCommunities: clusters, then reports, in this order."""

from typing import Any

from temporalio.client import Client

from graphmill.messages import (
    BUILD_COMMUNITIES,
    TASK_QUEUE,
    BuildCommunitiesResult,
    GraphRef,
)
from graphmill.models import CollectionKey
from tests.support.road import COMMUNITIES, Road


async def test_reports_are_written_after_communities_are_found(
    client: Client, road: Road, collection: str
) -> None:
    gate = road.hold("cluster_graph")
    run: Any = await client.start_workflow(
        BUILD_COMMUNITIES,
        GraphRef(CollectionKey("default", collection), 1),
        id=f"communities/default/{collection}",
        task_queue=TASK_QUEUE,
        result_type=BuildCommunitiesResult,
    )
    await gate.arrived()
    assert road.attempts["write_reports"] == 0
    gate.open()
    assert await run.result() == COMMUNITIES
    assert road.attempts["write_reports"] == 1
