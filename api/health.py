"""GET /health: whether the process lives, and which parts it needs answer. No key is needed."""

from http import HTTPStatus
from importlib import metadata
from typing import Any

from fastapi import APIRouter, Response

from api.requests import Application
from graphmill.http_api.schemas import Health, Live, Part

router = APIRouter(prefix="/health", tags=["health"])

_DOWN: dict[int | str, dict[str, Any]] = {503: {"model": Health, "description": "A part is down."}}


@router.get("/live")
async def live() -> Live:
    """The process answers, whatever else does not: one that does not is to be started again."""
    return Live(ok=True, version=metadata.version("graphmill"))


@router.get("/ready", responses=_DOWN)
async def ready(app: Application, response: Response) -> Health:
    """As GET /health: one that is not ready is to be sent no requests."""
    return await health(app, response)


@router.get("", responses=_DOWN)
async def health(app: Application, response: Response) -> Health:
    """Which parts answer; 503 where one does not."""
    parts = await app.health.check()
    ok = all(part.ok for part in parts)
    if not ok:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Health(
        ok=ok,
        version=metadata.version("graphmill"),
        parts={part.part: Part(ok=part.ok, detail=part.words) for part in parts},
    )
