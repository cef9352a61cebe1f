"""Pools of workers by role: how large, how busy, what runs, what waits."""

import asyncio
from collections.abc import Mapping, Sequence

from temporalio.client import Client
from temporalio.service import RPCError

from graphmill.application.outages import tells_outages
from graphmill.application.task_queues import look_at
from graphmill.roles import Role
from graphmill.stores.postgres.worker_pools import PostgresPoolStore
from graphmill.worker_pools import RolePools
from workflows.queues import QUEUES

_SECONDS = 3.0


class Pools:
    def __init__(
        self, client: Client | None, pools: PostgresPoolStore, expected: Mapping[Role, int]
    ) -> None:
        """`expected`: workers by role, as far as the settings say."""
        self._client = client
        self._pools = pools
        self._expected = expected

    @tells_outages
    async def load(self) -> Sequence[RolePools]:
        """Of every role, also of those that nobody works for; some seconds old."""
        found, queued = await asyncio.gather(self._pools.load(), self._queued())
        return tuple(
            RolePools(
                role,
                queued.get(role),
                tuple(one for one in found if one.pool.role is role),
                self._expected.get(role),
            )
            for role in Role
        )

    async def _queued(self) -> dict[Role, int]:
        """Without those of whose queues Temporal says nothing."""
        if self._client is None:
            return {}
        client = self._client
        looks = [look_at(client, queue, _SECONDS) for queue in QUEUES]
        states = await asyncio.gather(*looks, return_exceptions=True)
        queued: dict[Role, int] = {}
        unknown: set[Role] = set()
        for queue, state in zip(QUEUES, states, strict=True):
            if isinstance(state, RPCError | RuntimeError):  # the latter: it never answered yet
                unknown.add(queue.role)
            elif isinstance(state, BaseException):
                raise state
            else:
                queued[queue.role] = queued.get(queue.role, 0) + state.backlog
        return {role: count for role, count in queued.items() if role not in unknown}
