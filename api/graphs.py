"""/v1/collections/{name}/entities, communities and reports: the published graph, page by page."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from api.ids import EntityId
from api.openapi import KEYED, problems
from api.requests import Application, Cursor, Readable
from graphmill.http_api.graph_schemas import CommunityPage, EntityPage, NeighbourPage, ReportPage

router = APIRouter(
    prefix="/v1/collections/{name}",
    tags=["graph"],
    responses=KEYED | problems(HTTPStatus.NOT_FOUND),
)

_Limit = Annotated[int, Query(ge=1, le=1000)]
_Number = Annotated[int | None, Query(ge=0, le=2_000_000_000)]
_Type = Annotated[str | None, Query(max_length=1000, pattern="^[^\\x00]*$")]


@router.get("/entities")
async def list_entities(
    app: Application,
    key: Readable,
    after: Cursor = None,
    limit: _Limit = 100,
    type: _Type = None,
    community: _Number = None,
) -> EntityPage:
    """In the order of their titles."""
    page = await app.graphs.entities(key, after, limit, type, community)
    return EntityPage.model_validate(
        {"graph": page.graph, "entities": page.rows, "next": page.next}, from_attributes=True
    )


@router.get("/entities/{id}/neighbours")
async def list_neighbours(
    id: EntityId, app: Application, key: Readable, after: Cursor = None, limit: _Limit = 100
) -> NeighbourPage:
    """An entity's relationships, the heaviest first, each with the entity at its other end."""
    page = await app.graphs.neighbours(key, id, after, limit)
    return NeighbourPage.model_validate(
        {"graph": page.graph, "neighbours": page.rows, "next": page.next}, from_attributes=True
    )


@router.get("/communities")
async def list_communities(
    app: Application,
    key: Readable,
    after: Cursor = None,
    limit: _Limit = 100,
    level: _Number = None,
) -> CommunityPage:
    """In the order of their numbers; the root's level is 0."""
    page = await app.graphs.communities(key, after, limit, level)
    return CommunityPage.model_validate(
        {"graph": page.graph, "communities": page.rows, "next": page.next}, from_attributes=True
    )


@router.get("/reports")
async def list_reports(
    app: Application,
    key: Readable,
    after: Cursor = None,
    limit: _Limit = 100,
    level: _Number = None,
) -> ReportPage:
    """What communities are about, in the order of their numbers."""
    page = await app.graphs.reports(key, after, limit, level)
    return ReportPage.model_validate(
        {"graph": page.graph, "reports": page.rows, "next": page.next}, from_attributes=True
    )
