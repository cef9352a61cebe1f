"""What workers have to do: their pools, what runs in them now, what waits for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from graphmill.roles import Role

MOST_RUNNING = 20
"""Of a pool, so many are told: those that have run longest."""


@dataclass(frozen=True, slots=True)
class RunningTask:
    """`kind` is the activity's type; `seconds` since it began, in this try (from 1)."""

    kind: str
    workflow_id: str
    seconds: float
    attempt: int


@dataclass(frozen=True, slots=True)
class Pool:
    """Of one process, for one queue: so many tasks at a time, of which so many run. Those of
    workflows take milliseconds, and nobody counts them: of a queue of theirs `active` is None."""

    role: Role
    queue: str
    size: int
    active: int | None
    running: tuple[RunningTask, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkerPool:
    """`worker` is the process, as Temporal knows it; in containers several may have one name."""

    process: UUID
    worker: str
    pool: Pool


@dataclass(frozen=True, slots=True)
class RolePools:
    """All pools of a role; `queued` tasks wait for a worker, and None means that Temporal does not
    say. `expected` workers there should be; None: the settings do not say."""

    role: Role
    queued: int | None
    pools: tuple[WorkerPool, ...]
    expected: int | None = None

    @property
    def workers(self) -> int:
        return len({one.process for one in self.pools})

    @property
    def size(self) -> int:
        return sum(one.pool.size for one in self.pools)

    @property
    def active(self) -> int | None:
        """None: they are no activities."""
        counted = [one.pool.active for one in self.pools if one.pool.active is not None]
        return sum(counted) if counted or not self.pools else None

    @property
    def utilisation(self) -> float | None:
        """0 to 1, and 0 where nobody works; None: they are no activities."""
        if self.active is None:
            return None
        return self.active / self.size if self.size else 0.0

    def longest(self) -> list[tuple[str, RunningTask]]:
        """(worker, task), those that have run longest first."""
        running = [(one.worker, task) for one in self.pools for task in one.pool.running]
        return sorted(running, key=lambda one: -one[1].seconds)[:MOST_RUNNING]


class PoolStore(Protocol):
    async def tell(self, process: UUID, worker: str, pools: Sequence[Pool]) -> None:
        """How the pools of a process are now."""
        ...

    async def forget(self, process: UUID) -> None:
        """It has ended."""
        ...
