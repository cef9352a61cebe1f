"""`graphmill status`, `pause`, `resume`, `cancel` and `retry`."""

import asyncio
from collections.abc import Awaitable, Callable

from graphmill.application.run_workflows import RunHandle
from graphmill.cli.console import emit_json, say
from graphmill.cli.progress import follow
from graphmill.cli.running import ERROR
from graphmill.cli.session import BasicSession, open_basics, settings_for
from graphmill.cli.summary import exit_code_of, show_summary


async def status(name: str, tenant: str | None, *, watch: bool, as_json: bool) -> int:
    async with open_basics(settings_for(tenant)) as session:
        runs = session.app.runs
        run = await runs.find(session.tenant, name)
        if watch:
            try:
                told = await follow(runs.wait(run))
            except asyncio.CancelledError:
                say("the run goes on")
                raise
            if told is None:
                return ERROR
        else:
            told = await runs.status(run)
        if as_json:
            emit_json(told.to_json())
        else:
            show_summary(told)
        return exit_code_of(told)


async def pause(name: str, tenant: str | None, *, as_json: bool) -> int:
    return await _signal(
        name,
        tenant,
        as_json=as_json,
        send=lambda session, run: session.app.runs.pause(run),
        words="run {run} of {collection} pauses: what is being read ends, nothing new begins."
        " Go on: graphmill resume {collection}",
    )


async def resume(name: str, tenant: str | None, *, as_json: bool) -> int:
    return await _signal(
        name,
        tenant,
        as_json=as_json,
        send=lambda session, run: session.app.runs.resume(run),
        words="run {run} of {collection} goes on",
    )


async def cancel(name: str, tenant: str | None, *, as_json: bool) -> int:
    return await _signal(
        name,
        tenant,
        as_json=as_json,
        send=lambda session, run: session.app.runs.cancel(run),
        words="run {run} of {collection} ends; what it has read stays, and the next"
        " `graphmill index` goes on from there",
    )


async def retry(name: str, budget_usd: float | None, tenant: str | None, *, as_json: bool) -> int:
    async with open_basics(settings_for(tenant)) as session:
        run = await session.app.runs.find(session.tenant, name)
        retried = await session.app.runs.retry(run, budget_usd=budget_usd)
    if as_json:
        emit_json(
            {
                "run_id": retried.run.run_id,
                "workflow_id": retried.run.workflow_id,
                "collection": retried.run.collection,
                "documents": retried.documents,
                "texts": retried.texts,
                "answers": retried.answers,
            }
        )
    else:
        texts = (
            f", and has {retried.texts:,} text{'' if retried.texts == 1 else 's'} embedded"
            if retried.texts
            else ""
        )
        answers = (
            f", and asks for {retried.answers:,} missing"
            f" {'report or summary' if retried.answers == 1 else 'reports or summaries'}"
            if retried.answers
            else ""
        )
        say(
            f"run {retried.run.run_id} reads {retried.documents:,} failed or partial"
            f" document{'' if retried.documents == 1 else 's'} again{texts}{answers};"
            f" watch it: graphmill status {retried.run.collection} --watch"
        )
    return 0


async def _signal(
    name: str,
    tenant: str | None,
    *,
    as_json: bool,
    send: Callable[[BasicSession, RunHandle], Awaitable[None]],
    words: str,
) -> int:
    async with open_basics(settings_for(tenant)) as session:
        run = await session.app.runs.find(session.tenant, name)
        await send(session, run)
    if as_json:
        emit_json(
            {"run_id": run.run_id, "workflow_id": run.workflow_id, "collection": run.collection}
        )
    else:
        say(words.format(run=run.run_id, collection=run.collection))
    return 0
