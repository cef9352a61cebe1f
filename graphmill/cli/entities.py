"""`graphmill entities decisions|merge|split|undecide`."""

from typing import Any

from rich.table import Table

from graphmill.application.documents import collection_key
from graphmill.application.run_workflows import RunHandle
from graphmill.cli.console import cell, emit_json, say, show_table
from graphmill.cli.session import open_session, settings_for
from graphmill.errors import InvalidRequest
from graphmill.standard.decisions import Step


async def decisions(collection: str, step: str | None, tenant: str | None, *, as_json: bool) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    only = None if step is None else _step(step)
    table = Table("title", "other", "are", "by", "why", box=None, header_style="bold")
    as_lists: list[dict[str, Any]] = []
    async with open_session(settings, temporal=False) as session:
        async for one in session.app.entities.all_decisions(key, only):
            if as_json:
                as_lists.append(
                    {
                        "title": one.title,
                        "other": one.other,
                        "same": one.same,
                        "step": str(one.step),
                        "reason": one.reason,
                    }
                )
            else:
                are = "one" if one.same else "two"
                table.add_row(*map(cell, (one.title, one.other, are, str(one.step), one.reason)))
    if as_json:
        emit_json({"collection": key.name, "decisions": as_lists})
    else:
        show_table(table)
    return 0


async def decide(
    title: str,
    other: str,
    collection: str,
    reason: str,
    tenant: str | None,
    *,
    same: bool,
    as_json: bool,
) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    async with open_session(settings) as session:
        verdict, run = await session.app.decide_entities(
            key, title, other, same=same, reason=reason
        )
    return _told((verdict.title, verdict.other), "one" if same else "two", run, as_json=as_json)


async def undecide(
    title: str, other: str, collection: str, tenant: str | None, *, as_json: bool
) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    async with open_session(settings) as session:
        pair, run = await session.app.undecide_entities(key, title, other)
    return _told(pair, None, run, as_json=as_json)


def _told(pair: tuple[str, str], are: str | None, run: RunHandle, *, as_json: bool) -> int:
    if as_json:
        emit_json(
            {
                "title": pair[0],
                "other": pair[1],
                "same": None if are is None else are == "one",
                "run_id": run.run_id,
                "workflow_id": run.workflow_id,
                "collection": run.collection,
            }
        )
        return 0
    decided = f"are {are}" if are else "are decided as if nobody had said anything"
    say(
        f"{pair[0]!r} and {pair[1]!r} {decided}; run {run.run_id} makes the graph so. Watch it:"
        f" graphmill status {run.collection} --watch"
    )
    return 0


def _step(given: str) -> Step:
    try:
        return Step(given)
    except ValueError:
        raise InvalidRequest(f"step is {given!r}; expected is one of {', '.join(Step)}") from None
