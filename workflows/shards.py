"""Work on a graph that several workers share."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from graphmill.messages import GraphRef, GraphShard
    from workflows.policies import ITEMS_PER_SHARD, MOST_SHARDS, Policy


async def in_shards(
    method: Callable[[Any, GraphShard], Awaitable[int]],
    graph: GraphRef,
    items: int,
    what: str,
    policy: Policy,
) -> int:
    """Have an activity work on so many items of a graph; the sum of what its parts return.

    A part that fails does not cancel the others: their calls in the air are paid for.
    """
    shards = min(max(1, items // ITEMS_PER_SHARD), MOST_SHARDS)
    done = await asyncio.gather(
        *(
            workflow.execute_activity_method(
                method,
                GraphShard(graph, shard, shards),
                summary=f"{what}, part {shard + 1} of {shards}",
                **policy,
            )
            for shard in range(shards)
        ),
        return_exceptions=True,
    )
    for part in done:
        if isinstance(part, BaseException):
            raise part
    return sum(part for part in done if not isinstance(part, BaseException))
