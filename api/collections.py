"""/v1/collections."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api.idempotency import OnlyOnce
from api.openapi import KEYED, problems
from api.requests import Application, Cursor, Deletable, Indexable, Indexer, Readable, Reader
from graphmill.application.documents import collection_key, collection_to_json
from graphmill.http_api.schemas import (
    Collection,
    CollectionPage,
    IndexBody,
    NewCollection,
    Run,
    RunRef,
)
from graphmill.index_request import IndexRequest

router = APIRouter(
    prefix="/v1/collections",
    tags=["collections"],
    responses=KEYED,
)

_NOT_FOUND = problems(HTTPStatus.NOT_FOUND)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    responses={HTTPStatus.OK: {"model": Collection, "description": "It is there already."}},
)
async def create_collection(
    body: NewCollection, app: Application, tenant: Indexer, response: Response
) -> Collection:
    """201 where it is new, 200 where it is there already."""
    key = collection_key(tenant, body.name)
    if not await app.collections.create(key):
        response.status_code = HTTPStatus.OK
    return Collection.model_validate(collection_to_json(await app.collections.show(key)))


@router.get("")
async def list_collections(
    app: Application,
    tenant: Reader,
    after: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> CollectionPage:
    """In the order of their names."""
    page = await app.collections.list(tenant, after, limit)
    return CollectionPage(
        collections=[Collection.model_validate(collection_to_json(found)) for found in page],
        next=page[-1].name if len(page) == limit else None,
    )


@router.get("/{name}", responses=_NOT_FOUND)
async def show_collection(app: Application, key: Readable) -> Collection:
    return Collection.model_validate(collection_to_json(await app.collections.show(key)))


@router.delete("/{name}", status_code=HTTPStatus.NO_CONTENT, responses=_NOT_FOUND)
async def delete_collection(app: Application, key: Deletable) -> None:
    """Ends its run, then deletes it with its documents and graph."""
    await app.delete_collection(key)


@router.get("/{name}/run", responses=_NOT_FOUND)
async def show_latest_run(app: Application, key: Readable) -> Run:
    """How the collection's run stands: the one under way, or the last."""
    run = await app.runs.find(key.tenant, key.name)
    return Run.model_validate((await app.runs.status(run)).to_json())


@router.post(
    "/{name}/index",
    status_code=HTTPStatus.ACCEPTED,
    responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def index_collection(
    app: Application, key: Indexable, once: OnlyOnce, body: IndexBody | None = None
) -> RunRef:
    """Starts the collection's run, or joins the one under way, which takes new documents in."""
    options = body or IndexBody()
    asked = IndexRequest(
        key.name,
        key.tenant,
        options.method,
        options.force_rebuild,
        options.priority,
        options.budget_usd,
        options.batch,
    )

    async def start(claim: UUID | None) -> RunRef:
        run = await app.runs.start(asked, claim=claim)
        return RunRef.model_validate(run, from_attributes=True)

    return await once.answer(options.model_dump_json().encode(), RunRef, start)
