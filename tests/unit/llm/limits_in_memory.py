"""The limits of one endpoint without a database: the same decision, the loop's own clock."""

import asyncio
from dataclasses import dataclass, field

from graphmill.llm.limits import Ask, EndpointState, Grant, Limits, Share, decide, first_state


@dataclass
class Row:
    """What all workers share. `down`: the database does not answer."""

    limits: Limits
    state: EndpointState = field(init=False)
    shares: dict[int, Share] = field(default_factory=dict[int, Share])
    asked: int = 0
    most_held: int = 0
    down: Exception | None = None

    def __post_init__(self) -> None:
        self.state = first_state(self.limits)


@dataclass
class LimitsInMemory:
    row: Row
    worker: int = 0

    async def exchange(self, endpoint: str, ask: Ask) -> Grant:
        await asyncio.sleep(0.001)
        row = self.row
        if row.down is not None:
            raise row.down
        row.asked += 1
        others = [share for worker, share in row.shares.items() if worker != self.worker]
        now = asyncio.get_running_loop().time()
        row.state, grant = decide(row.limits, row.state, ask, others, now)
        row.shares[self.worker] = Share(max(grant.places, ask.in_flight), ask.wanted)
        row.most_held = max(row.most_held, sum(share.held for share in row.shares.values()))
        return grant
