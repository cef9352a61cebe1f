"""/v1/runs."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.at_once import AtOnce
from api.idempotency import OnlyOnce
from api.ids import RunId
from api.openapi import KEYED, problems
from api.problems import NothingMore, problem_of
from api.requests import Application, Indexer, Reader
from api.run_events import RunEvents, event_of
from graphmill.application.run_workflows import RunHandle
from graphmill.errors import GraphmillError
from graphmill.http_api.schemas import Retried, RetryBody, Run, RunRef

router = APIRouter(
    prefix="/v1/runs",
    tags=["runs"],
    responses=KEYED | problems(HTTPStatus.NOT_FOUND),
)

_CONFLICT = problems(HTTPStatus.CONFLICT)
_COME_AGAIN_MS = 1000


@router.get("/{run_id}")
async def show_run(run_id: RunId, app: Application, tenant: Reader) -> Run:
    """How a run stands."""
    run = await app.runs.find(tenant, str(run_id))
    return Run.model_validate((await app.runs.status(run)).to_json())


async def _followed(
    request: Request,
    run_id: RunId,
    app: Application,
    tenant: Reader,
    last_event_id: Annotated[
        str | None, Header(description="The id of the last event that was seen.")
    ] = None,
) -> AsyncIterator[RunHandle]:
    """Looked for before the first byte of an answer: an unknown run is a 404."""
    run = await app.runs.find(tenant, str(run_id))
    if last_event_id is not None:
        status = await app.runs.status(run)
        if status.ended and event_of(status).id == last_event_id:
            raise NothingMore
    streams: AtOnce = request.app.state.streams
    with streams.one():
        yield run


@router.get(
    "/{run_id}/events",
    response_class=EventSourceResponse,
    responses={
        HTTPStatus.OK: {
            "description": "Events `progress`, and `end` as the last; their data is what GET"
            " /v1/runs/{run_id} answers. `error`, with a problem document: it goes no further."
        },
        HTTPStatus.NO_CONTENT: {"description": "The last event was seen; there is no more."},
    },
)
async def follow_run(
    request: Request,
    run: Annotated[RunHandle, Depends(_followed)],
    last_event_id: Annotated[str | None, Header()] = None,
) -> AsyncIterator[ServerSentEvent]:
    """How a run stands, now and whenever that changes, as server-sent events. After some minutes,
    and where the server ends, the stream does too: come again. Last-Event-ID, which browsers send
    themselves, spares what was seen."""
    events: RunEvents = request.app.state.run_events
    name = ""
    try:
        async for event in events.follow(run):
            if event.id != last_event_id:
                yield ServerSentEvent(raw_data=event.data, event=event.name, id=event.id)
            last_event_id, name = None, event.name
        if name != "end":
            # Browsers would wait for longer; where the server ends, most are back by then.
            yield ServerSentEvent(comment="it goes on: come again", retry=_COME_AGAIN_MS)
    except GraphmillError as error:
        yield ServerSentEvent(data=problem_of(error).model_dump(exclude_none=True), event="error")


@router.post("/{run_id}/pause", status_code=HTTPStatus.ACCEPTED, responses=_CONFLICT)
async def pause_run(run_id: RunId, app: Application, tenant: Indexer) -> RunRef:
    """What is being read ends, nothing new begins."""
    run = await app.runs.find(tenant, str(run_id))
    await app.runs.pause(run)
    return _ref(run)


@router.post("/{run_id}/resume", status_code=HTTPStatus.ACCEPTED, responses=_CONFLICT)
async def resume_run(run_id: RunId, app: Application, tenant: Indexer) -> RunRef:
    run = await app.runs.find(tenant, str(run_id))
    await app.runs.resume(run)
    return _ref(run)


@router.post("/{run_id}/cancel", status_code=HTTPStatus.ACCEPTED, responses=_CONFLICT)
async def cancel_run(run_id: RunId, app: Application, tenant: Indexer) -> RunRef:
    """What it has read stays; a new run goes on from there."""
    run = await app.runs.find(tenant, str(run_id))
    await app.runs.cancel(run)
    return _ref(run)


@router.post("/{run_id}/retry", status_code=HTTPStatus.ACCEPTED, responses=_CONFLICT)
async def retry_run(
    run_id: RunId,
    app: Application,
    tenant: Indexer,
    once: OnlyOnce,
    body: RetryBody | None = None,
) -> Retried:
    """Reads the collection's failed and partial documents again, by the method of its last run, in
    a new run or the one under way; a new one also asks for vectors, reports and summaries that are
    missing."""
    options = body or RetryBody()

    async def retry(claim: UUID | None) -> Retried:
        run = await app.runs.find(tenant, str(run_id))
        retried = await app.runs.retry(run, budget_usd=options.budget_usd, claim=claim)
        return Retried(
            documents=retried.documents,
            texts=retried.texts,
            answers=retried.answers,
            **_ref(retried.run).model_dump(),
        )

    return await once.answer(options.model_dump_json().encode(), Retried, retry)


def _ref(run: RunHandle) -> RunRef:
    return RunRef.model_validate(run, from_attributes=True)
