"""/v1/collections/{name}/query."""

import re
from collections.abc import AsyncIterator
from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from pydantic import BaseModel

from api.openapi import KEYED, problems
from api.requests import Application, Readable
from graphmill.application.search import answer_to_json
from graphmill.http_api.schemas import Answer, AnswerPart, QueryBody

router = APIRouter(
    prefix="/v1/collections/{name}",
    tags=["search"],
    responses=KEYED | problems(HTTPStatus.NOT_FOUND),
)

_MEDIA_TYPE = "text/event-stream"
_PARTS = re.compile(r".+?(?:\n\n|(?<=[.!?\]])\s+|$)", re.DOTALL)


_EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {"event": {"enum": ["part", "end"]}, "data": {"type": "string"}},
}


@router.post(
    "/query",
    response_model=Answer,
    responses={
        HTTPStatus.OK: {
            "description": "The answer; with `stream`, as events: `part`, whose `text` is the next"
            " of the answer's, and `end` as the last, which has what is answered without `stream`.",
            "content": {_MEDIA_TYPE: {"itemSchema": _EVENT}},
        },
    },
)
async def query_collection(
    body: QueryBody, app: Application, key: Readable
) -> Answer | StreamingResponse:
    """An answer with numbered citations from the collection's published graph."""
    # Before the first byte of a stream: what goes wrong has its own status.
    answer = Answer.model_validate(
        answer_to_json(await app.search.query(key, body.question, body.mode))
    )
    if not body.stream:
        return answer
    return StreamingResponse(
        _events(answer), media_type=_MEDIA_TYPE, headers={"Cache-Control": "no-cache"}
    )


async def _events(answer: Answer) -> AsyncIterator[bytes]:
    # A plain generator would go through a thread for each sentence.
    for part in _PARTS.findall(answer.answer):
        yield _event("part", AnswerPart(text=part))
    yield _event("end", answer)


def _event(name: str, told: BaseModel) -> bytes:
    return format_sse_event(event=name, data_str=told.model_dump_json())
