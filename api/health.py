"""GET /health."""

from http import HTTPStatus
from importlib import metadata

from fastapi import APIRouter, Response

from api.requests import Application
from api.schemas import Health, Part

router = APIRouter(tags=["health"])


@router.get("/health", responses={503: {"model": Health, "description": "A part is down."}})
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
