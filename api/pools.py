"""/health/pools: what workers do now, for whoever runs them."""

import logging

from fastapi import APIRouter, Depends

from api.openapi import KEYED
from api.requests import Application, check_operator
from graphmill.http_api.schemas import AllPools, RolePools, RunningActivity

router = APIRouter(
    prefix="/health/pools",
    tags=["health"],
    responses=KEYED,
    dependencies=[Depends(check_operator)],
)

_log = logging.getLogger("graphmill.pools")


@router.get("")
async def show_pools(app: Application) -> AllPools:
    """For each role: how many workers there are, how busy they are, what waits, and what has run
    longest. Workers say so every few seconds."""
    return AllPools(
        roles={
            str(one.role): RolePools(
                workers=one.workers,
                size=one.size,
                active=one.active,
                queued=one.queued,
                utilisation=None if one.utilisation is None else round(one.utilisation, 3),
                running=[
                    RunningActivity(
                        activity=task.kind,
                        workflow_id=task.workflow_id,
                        worker=worker,
                        seconds=round(task.seconds, 1),
                        attempt=task.attempt,
                    )
                    for worker, task in one.longest()
                ],
            )
            for one in await app.pools.load()
        }
    )


@router.post("/log")
async def log_pools(app: Application) -> AllPools:
    """The same, and written into the API's log, where it stands beside what happened then."""
    pools = await show_pools(app)
    for role, one in pools.roles.items():
        _log.info(
            "pool %s: %d workers, %s of %d active, %s queued",
            role,
            one.workers,
            _told(one.active),
            one.size,
            _told(one.queued),
        )
        for task in one.running:
            _log.info(
                "pool %s: %s of %s on %s for %.1f s, try %d",
                role,
                task.activity,
                task.workflow_id,
                task.worker,
                task.seconds,
                task.attempt,
            )
    return pools


def _told(count: int | None) -> str:
    return "unknown" if count is None else str(count)
