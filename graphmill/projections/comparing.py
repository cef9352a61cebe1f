"""What a projection lacks, has otherwise, and has beyond the graph that it is to hold."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from graphmill.projections.ports import Digests


class Fault(StrEnum):
    MISSING = "missing"
    OUTDATED = "outdated"
    SURPLUS = "surplus"


@dataclass(frozen=True, slots=True)
class Difference:
    id: UUID
    fault: Fault


async def differences(graph: Digests, projection: Digests) -> AsyncIterator[Difference]:
    """By ascending id; neither side is ever in memory whole."""
    ours, theirs = await anext(graph, None), await anext(projection, None)
    while ours is not None or theirs is not None:
        if theirs is None or (ours is not None and ours[0].int < theirs[0].int):
            assert ours is not None
            yield Difference(ours[0], Fault.MISSING)
            ours = await anext(graph, None)
        elif ours is None or theirs[0].int < ours[0].int:
            yield Difference(theirs[0], Fault.SURPLUS)
            theirs = await anext(projection, None)
        else:
            if ours[1] != theirs[1]:
                yield Difference(ours[0], Fault.OUTDATED)
            ours, theirs = await anext(graph, None), await anext(projection, None)
