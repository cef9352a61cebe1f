"""/v1/collections/{name}/documents."""

from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel

from api.at_once import AtOnce
from api.idempotency import OnlyOnce
from api.ids import DocumentId
from api.multipart import receive_uploads
from api.openapi import KEYED, problems
from api.requests import ApiSettings, Application, Cursor, Indexable, Readable
from graphmill.application.documents import document_to_json, paid_to_json
from graphmill.http_api.examples import UPLOAD
from graphmill.http_api.schemas import (
    Document,
    DocumentIdsBody,
    DocumentPage,
    RunRef,
    ShownDocument,
    Uploaded,
    UploadedDocument,
)
from graphmill.ids import document_id
from graphmill.models import DocumentState

router = APIRouter(
    prefix="/v1/collections/{name}/documents",
    tags=["documents"],
    responses=KEYED | problems(HTTPStatus.NOT_FOUND),
)

_UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "example": UPLOAD,
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "name": {
                            "type": "string",
                            "description": "Of the file behind it, in the place of its filename.",
                        },
                        "creation_date": {
                            "type": "string",
                            "format": "date-time",
                            "description": "Of the files that follow it; else the upload's.",
                        },
                        "files": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "A file's name, with its folders, is the document's.",
                        },
                    },
                },
            }
        },
    }
}


class _Stored(BaseModel):
    new: int
    changed: int
    unchanged: int


@router.post("", status_code=HTTPStatus.CREATED, openapi_extra=_UPLOAD)
async def upload_documents(
    request: Request, app: Application, settings: ApiSettings, key: Indexable, once: OnlyOnce
) -> Uploaded:
    """Stores files, all of them or none; the same bytes under the same name change nothing.

    The collection comes to be with its first documents. They are indexed by the next run.
    """
    at_once: AtOnce = request.app.state.uploads
    async with receive_uploads(request, settings.limits, at_once) as uploads:
        documents = [
            UploadedDocument(
                id=document_id(upload.name), name=upload.name, version=upload.version.hex()
            )
            for upload in uploads
        ]

        async def store(claim: UUID | None) -> _Stored:
            counts = await app.documents.upload_whole(key, uploads)
            return _Stored(new=counts.new, changed=counts.changed, unchanged=counts.unchanged)

        asked = "\n".join(f"{one.version} {one.name}" for one in documents)
        # Kept are the counts alone: the same request says itself which documents it brings.
        stored = await once.answer(asked.encode(), _Stored, store)
        return Uploaded(**stored.model_dump(), documents=documents)


@router.get("")
async def list_documents(
    app: Application,
    key: Readable,
    after: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    state: DocumentState | None = None,
) -> DocumentPage:
    """In the order of their names."""
    page = await app.documents.list(key, after, limit, state)
    return DocumentPage(
        documents=[Document.model_validate(document_to_json(found)) for found in page],
        next=page[-1].name if len(page) == limit else None,
    )


@router.api_route("/forget", methods=["GET", "DELETE"], include_in_schema=False)
@router.api_route("/delete", methods=["GET", "DELETE"], include_in_schema=False)
async def refuse_method() -> None:
    """Or these words would be taken for ids of documents."""
    raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED)


@router.get("/{id}")
async def show_document(id: DocumentId, app: Application, key: Readable) -> ShownDocument:
    """One document, and what models cost for it."""
    shown = document_to_json(await app.documents.show(key, id))
    paid = paid_to_json(await app.documents.model_use(key, id))
    return ShownDocument.model_validate(shown | {"model": paid})


@router.post("/forget", status_code=HTTPStatus.NO_CONTENT)
async def forget_documents(body: DocumentIdsBody, app: Application, key: Indexable) -> None:
    """Forgets those of these documents that are there, and starts no run: the next one takes them
    out of the graph."""
    await app.collections.show(key)
    await app.deletions.forget(key, body.documents)


@router.post("/delete", status_code=HTTPStatus.ACCEPTED)
async def delete_documents(body: DocumentIdsBody, app: Application, key: Indexable) -> RunRef:
    """Forgets documents, all of them or, where one is not there, none; and starts or joins the run
    that takes them out of the graph."""
    run = await app.delete_documents(key, body.documents)
    return RunRef.model_validate(run, from_attributes=True)


@router.delete("/{id}", status_code=HTTPStatus.ACCEPTED)
async def delete_document(id: DocumentId, app: Application, key: Indexable) -> RunRef:
    """Forgets a document, and starts or joins the run that takes it out of the graph."""
    return RunRef.model_validate(await app.delete_documents(key, [id]), from_attributes=True)
