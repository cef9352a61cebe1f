"""/v1/collections/{name}/query."""

from fastapi import APIRouter

from api.requests import Application, Key
from api.schemas import Answer, QueryBody
from graphmill.application.search import answer_to_json

router = APIRouter(prefix="/v1/collections/{name}", tags=["search"])


@router.post("/query")
async def query_collection(body: QueryBody, app: Application, key: Key) -> Answer:
    """An answer with numbered citations from the collection's published graph."""
    return Answer.model_validate(
        answer_to_json(await app.search.query(key, body.question, body.mode))
    )
