"""`graphmill schedule`, `graphmill schedules list|pause|resume|delete`."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.table import Table

from graphmill.application.documents import collection_key
from graphmill.application.folder import find_files
from graphmill.application.schedules import Schedules, ScheduleStanding
from graphmill.cli.console import cell, emit_json, say, show_table
from graphmill.cli.session import open_session, settings_for
from graphmill.folder_schedules import FolderSchedule, read_every
from graphmill.index_request import IndexRequest, check_budget
from graphmill.models import CollectionKey, Method
from graphmill.settings import Settings


@dataclass(frozen=True, slots=True)
class ScheduleOptions:
    """The options of `graphmill schedule`."""

    collection: str
    paths: tuple[Path, ...]
    every: str
    method: str | None
    priority: int
    budget_usd: float | None
    prune: bool
    tenant: str | None
    as_json: bool


async def set_schedule(options: ScheduleOptions) -> int:
    settings = settings_for(options.tenant)
    key = collection_key(settings.tenant, options.collection)
    settings.priorities.check(options.priority)
    request = IndexRequest(
        key.name,
        key.tenant,
        None if options.method is None else Method(options.method),
        priority=options.priority,
        budget_usd=check_budget(options.budget_usd),
    )
    every = read_every(options.every)
    # Before it is set: a path that is not here is most likely misspelt.
    await asyncio.to_thread(find_files, options.paths, settings.limits.document_bytes)
    # Links stay links: they are followed each time.
    paths = await asyncio.to_thread(lambda: tuple(path.absolute() for path in options.paths))
    schedule = FolderSchedule(request, paths, every, options.prune)
    async with open_session(settings) as session:
        await session.app.schedules.set(schedule)
        standing = await session.app.schedules.standing(key)
    if request.method is Method.STANDARD and _lacks_model(settings):
        say(
            "no model endpoint is set here, and method standard needs one: its runs fail unless"
            " `graphmill up` was started where one is set (OPENAI_BASE_URL and OPENAI_MODEL);"
            f" `graphmill status {key.name}` tells how a run went"
        )
    if options.as_json:
        emit_json(standing_to_json(standing))
        return 0
    then = "" if standing.paused else _minute(standing.next_at)
    say(
        f"what changed in {', '.join(map(str, paths))} goes into {key.name} every {options.every}"
        + (f", now and next at {then}" if then else "")
        + "; `graphmill schedules list` shows its times, and what came of the last one"
    )
    if standing.paused:
        say(
            "it is paused, as it was before, and nothing is indexed until:"
            f" graphmill schedules resume {key.name}"
        )
    return 0


async def list_schedules(tenant: str | None, *, as_json: bool) -> int:
    async with open_session(settings_for(tenant)) as session:
        standings = await session.app.schedules.list(session.tenant)
    if as_json:
        emit_json({"schedules": [standing_to_json(one) for one in standings]})
        return 0
    table = Table("collection", "every", "paths", box=None, header_style="bold")
    for column in ("last", "result", "next", ""):
        table.add_column(column)
    for one in standings:
        schedule = one.schedule
        table.add_row(
            cell(schedule.key.name),
            cell(_every(schedule.every)),
            cell(", ".join(map(str, schedule.paths))),
            cell(_minute(one.last_at)),
            cell(_result(one)),
            cell("" if one.paused else _minute(one.next_at)),
            cell(_words(one)),
        )
    show_table(table)
    return 0


async def pause_schedule(collection: str, reason: str, tenant: str | None, *, as_json: bool) -> int:
    return await _order(
        collection,
        tenant,
        lambda schedules, key: schedules.pause(key, reason),
        f"the schedule of {collection} is paused",
        as_json=as_json,
    )


async def resume_schedule(collection: str, tenant: str | None, *, as_json: bool) -> int:
    return await _order(
        collection,
        tenant,
        lambda schedules, key: schedules.resume(key),
        f"the schedule of {collection} goes on",
        as_json=as_json,
    )


async def delete_schedule(collection: str, tenant: str | None, *, as_json: bool) -> int:
    return await _order(
        collection,
        tenant,
        lambda schedules, key: schedules.delete(key),
        f"the schedule of {collection} is deleted; its documents stay",
        as_json=as_json,
    )


async def _order(
    collection: str,
    tenant: str | None,
    do: Callable[[Schedules, CollectionKey], Awaitable[None]],
    words: str,
    *,
    as_json: bool,
) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    async with open_session(settings) as session:
        await do(session.app.schedules, key)
    if as_json:
        emit_json({"collection": key.name, "tenant": key.tenant})
    else:
        say(words)
    return 0


def _lacks_model(settings: Settings) -> bool:
    """Of what runs in this home; the workers of a fleet have settings of their own."""
    elsewhere = settings.database_url or settings.temporal_address
    return not elsewhere and not settings.answers_text


def standing_to_json(standing: ScheduleStanding) -> dict[str, Any]:
    """Dates are ISO 8601 in UTC."""
    schedule = standing.schedule
    return {
        "collection": schedule.key.name,
        "tenant": schedule.key.tenant,
        "paths": [str(path) for path in schedule.paths],
        "every_seconds": int(schedule.every.total_seconds()),
        "prune": schedule.prune,
        "request": schedule.request.to_json(),
        "paused": standing.paused,
        "note": standing.note,
        "last_at": _told(standing.last_at),
        "last_state": standing.last_state or None,
        "last_reason": standing.last_reason,
        "next_at": _told(standing.next_at),
        "known_to_temporal": standing.known,
    }


def _words(standing: ScheduleStanding) -> str:
    if not standing.known:
        return "Temporal does not know it: set it again"
    if standing.paused:
        return f"paused: {standing.note}" if standing.note else "paused"
    return ""


def _result(standing: ScheduleStanding) -> str:
    state, reason = standing.last_state, standing.last_reason
    return f"{state}: {reason}" if reason else state


def _every(every: timedelta) -> str:
    seconds = int(every.total_seconds())
    for unit, size in (("w", 604_800), ("d", 86_400), ("h", 3600)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds // 60}m"


def _minute(date: datetime | None) -> str:
    return "" if date is None else f"{date.astimezone(UTC):%Y-%m-%d %H:%M}Z"


def _told(date: datetime | None) -> str | None:
    return None if date is None else date.astimezone(UTC).isoformat()
