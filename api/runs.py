"""/v1/runs."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter

from api.requests import Application, Tenant
from api.schemas import Retried, RetryBody, Run, RunRef
from graphmill.application.run_workflows import RunHandle

router = APIRouter(prefix="/v1/runs", tags=["runs"])


@router.get("/{run_id}")
async def show_run(run_id: UUID, app: Application, tenant: Tenant) -> Run:
    """How a run stands."""
    run = await app.runs.find(tenant, str(run_id))
    return Run.model_validate((await app.runs.status(run)).to_json())


@router.post("/{run_id}/pause", status_code=HTTPStatus.ACCEPTED)
async def pause_run(run_id: UUID, app: Application, tenant: Tenant) -> RunRef:
    """What is being read ends, nothing new begins."""
    run = await app.runs.find(tenant, str(run_id))
    await app.runs.pause(run)
    return _ref(run)


@router.post("/{run_id}/resume", status_code=HTTPStatus.ACCEPTED)
async def resume_run(run_id: UUID, app: Application, tenant: Tenant) -> RunRef:
    run = await app.runs.find(tenant, str(run_id))
    await app.runs.resume(run)
    return _ref(run)


@router.post("/{run_id}/cancel", status_code=HTTPStatus.ACCEPTED)
async def cancel_run(run_id: UUID, app: Application, tenant: Tenant) -> RunRef:
    """What it has read stays; a new run goes on from there."""
    run = await app.runs.find(tenant, str(run_id))
    await app.runs.cancel(run)
    return _ref(run)


@router.post("/{run_id}/retry", status_code=HTTPStatus.ACCEPTED)
async def retry_run(
    run_id: UUID, app: Application, tenant: Tenant, body: RetryBody | None = None
) -> Retried:
    """Reads the collection's failed and partial documents again, by the method of its last run, in
    a new run or the one under way; a new one also asks for vectors, reports and summaries that are
    missing."""
    run = await app.runs.find(tenant, str(run_id))
    budget_usd = body.budget_usd if body else None
    retried = await app.runs.retry(run, budget_usd=budget_usd)
    return Retried(
        documents=retried.documents,
        texts=retried.texts,
        answers=retried.answers,
        **_ref(retried.run).model_dump(),
    )


def _ref(run: RunHandle) -> RunRef:
    return RunRef.model_validate(run, from_attributes=True)
