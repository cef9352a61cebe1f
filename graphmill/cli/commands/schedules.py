"""graphmill schedule, and graphmill schedules."""

from pathlib import Path
from typing import Annotated

import typer

from graphmill.cli.commands.options import Budget, CollectionName, Json, Tenant
from graphmill.cli.commands.runs import MethodOption
from graphmill.cli.running import run

once = typer.Typer()
app = typer.Typer(help="List, pause, resume and delete schedules.", no_args_is_help=True)


@once.command("schedule")
def set_schedule(
    collection: CollectionName,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...", help="Files and folders, here and where workers of role store are."
        ),
    ],
    every: Annotated[
        str, typer.Option("--every", metavar="TIME", help="Such as 30m, 6h, 1d or 2w.")
    ],
    method: Annotated[
        MethodOption | None, typer.Option(help="As of `index`; left out: as there.")
    ] = None,
    priority: Annotated[
        int, typer.Option(min=1, max=5, help="1 goes before 5 where runs compete.")
    ] = 3,
    budget: Budget = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Forget documents whose files are gone.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Index what changed in folders, again and again; the first time at once.

    In the place of the schedule that the collection has. A time that comes while the one before
    still works is left out.
    """
    from graphmill.cli.schedules import ScheduleOptions, set_schedule

    options = ScheduleOptions(
        collection=collection,
        paths=tuple(paths),
        every=every,
        method=None if method is None else method.value,
        priority=priority,
        budget_usd=budget,
        prune=prune,
        tenant=tenant,
        as_json=as_json,
    )
    run(lambda: set_schedule(options))


@app.command("list")
def list_schedules(tenant: Tenant = None, as_json: Json = False) -> None:
    """Which folders are indexed how often, what came of the last time, and when next."""
    from graphmill.cli.schedules import list_schedules

    run(lambda: list_schedules(tenant, as_json=as_json))


@app.command("pause")
def pause_schedule(
    collection: CollectionName,
    reason: Annotated[str, typer.Option("--reason", help="Why, for those who look later.")] = "",
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Start nothing any more; what is under way goes on."""
    from graphmill.cli.schedules import pause_schedule

    run(lambda: pause_schedule(collection, reason, tenant, as_json=as_json))


@app.command("resume")
def resume_schedule(
    collection: CollectionName, tenant: Tenant = None, as_json: Json = False
) -> None:
    """Go on."""
    from graphmill.cli.schedules import resume_schedule

    run(lambda: resume_schedule(collection, tenant, as_json=as_json))


@app.command("delete")
def delete_schedule(
    collection: CollectionName, tenant: Tenant = None, as_json: Json = False
) -> None:
    """Its documents stay."""
    from graphmill.cli.schedules import delete_schedule

    run(lambda: delete_schedule(collection, tenant, as_json=as_json))
