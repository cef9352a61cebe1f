"""/v1/collections/{name}/query."""

from fastapi import APIRouter

from api.requests import Application, Readable
from graphmill.application.search import answer_to_json
from graphmill.http_api.schemas import Answer, QueryBody

router = APIRouter(prefix="/v1/collections/{name}", tags=["search"])


@router.post("/query")
async def query_collection(body: QueryBody, app: Application, key: Readable) -> Answer:
    """An answer with numbered citations from the collection's published graph."""
    return Answer.model_validate(
        answer_to_json(await app.search.query(key, body.question, body.mode))
    )
