"""What workers say of their pools is read as they said it, for as long as they live."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import asyncpg
import pytest

from graphmill.roles import Role
from graphmill.stores.postgres.worker_pools import SILENT_SECONDS, PostgresPoolStore
from graphmill.worker_pools import Pool, RolePools, RunningTask, WorkerPool
from tests.support.postgres import database_url, pool, postgres_server
from workers import reporting as reporting_module
from workers.reporting import reporting

__all__ = ["database_url", "pool", "postgres_server"]

TASK = RunningTask("extract_document", "document/default/files/1", 3.0, 2)
LLM = Pool(Role.LLM, "graphmill-llm", 200, 1, (TASK,))
STORE = Pool(Role.STORE, "graphmill-store", 8, 0)


async def test_pools_are_read_as_they_were_told(pool: asyncpg.Pool) -> None:
    store = PostgresPoolStore(pool)
    one, other = uuid4(), uuid4()
    await store.tell(one, "1@a", [LLM, STORE])
    await store.tell(other, "2@b", [LLM])
    await store.tell(one, "1@a", [replace(LLM, active=2), STORE])
    found = await store.load()
    assert [(each.worker, each.pool.role, each.pool.active) for each in found] == [
        ("1@a", Role.LLM, 2),
        ("1@a", Role.STORE, 0),
        ("2@b", Role.LLM, 1),
    ]
    (task,) = found[0].pool.running
    assert 3.0 <= task.seconds < 10
    assert replace(task, seconds=3.0) == TASK
    await store.forget(one)
    assert [each.worker for each in await store.load()] == ["2@b"]


async def test_who_says_nothing_for_long_is_gone(pool: asyncpg.Pool) -> None:
    store = PostgresPoolStore(pool)
    killed = uuid4()
    await store.tell(killed, "1@a", [LLM])
    aged = "UPDATE worker_pools SET seen_at = now() - make_interval(secs => $1)"
    await pool.execute(aged, SILENT_SECONDS + 1)
    assert await store.load() == ()
    await pool.execute(aged, 10 * SILENT_SECONDS + 1)
    await store.tell(uuid4(), "2@b", [STORE])
    assert await pool.fetchval("SELECT count(*) FROM worker_pools WHERE process = $1", killed) == 0


async def test_a_role_of_a_later_release_is_passed_over(pool: asyncpg.Pool) -> None:
    store = PostgresPoolStore(pool)
    await store.tell(uuid4(), "1@a", [LLM, STORE])
    await pool.execute("UPDATE worker_pools SET role = 'ocr' WHERE role = 'store'")
    assert [each.pool.role for each in await store.load()] == [Role.LLM]


class Broken(PostgresPoolStore):
    """Away at first."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        super().__init__(pool)
        self.told = 0

    async def tell(self, process: UUID, worker: str, pools: Sequence[Pool]) -> None:
        self.told += 1
        if self.told < 3:
            raise OSError("down")
        await super().tell(process, worker, pools)


async def test_a_worker_says_what_changed_and_goes_on_when_it_cannot(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting_module, "_OFTEN_SECONDS", 0.01)
    store = Broken(pool)
    began = time.monotonic()
    shown = LLM

    def pools() -> list[Pool]:
        # What runs gets older all the time, and that is no news.
        older = replace(TASK, seconds=3.0 + time.monotonic() - began)
        return [replace(shown, running=(older,))]

    async def seen(active: int) -> None:
        while [each.pool.active for each in await store.load()] != [active]:
            await asyncio.sleep(0.01)

    async with reporting(store, "1@a", pools):
        await asyncio.wait_for(seen(1), 10)
        told = store.told
        await asyncio.sleep(0.1)
        assert store.told == told, "nothing changed, and it was told again"
        shown = replace(LLM, active=7)
        await asyncio.wait_for(seen(7), 10)
    assert await store.load() == ()


def test_a_role_is_the_sum_of_its_workers() -> None:
    older = replace(TASK, seconds=9.0, workflow_id="older")
    one, other = uuid4(), uuid4()
    role = RolePools(
        Role.LLM,
        5,
        (
            WorkerPool(one, "1@a", LLM),
            WorkerPool(one, "1@a", replace(LLM, queue="other", active=0, running=())),
            # In a container: the name is the same.
            WorkerPool(other, "1@a", replace(LLM, active=99, running=(older,))),
        ),
    )
    assert (role.workers, role.size, role.active) == (2, 600, 100)
    assert role.utilisation == pytest.approx(1 / 6)
    assert role.longest() == [("1@a", older), ("1@a", TASK)]
    assert RolePools(Role.CPU, None, ()).utilisation == 0
    flows = WorkerPool(one, "1@a", Pool(Role.WORKFLOW, "graphmill", 10, None))
    assert RolePools(Role.WORKFLOW, 1, (flows,)).utilisation is None
