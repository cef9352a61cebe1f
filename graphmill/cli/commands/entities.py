"""graphmill entities."""

from typing import Annotated

import typer

from graphmill.cli.commands.options import Collection, Json, Tenant
from graphmill.cli.running import run

app = typer.Typer(
    help="Which titles mean one entity: what was decided, and what you say.", no_args_is_help=True
)

Title = Annotated[str, typer.Argument(metavar="TITLE", help="An entity's title.")]
OtherTitle = Annotated[str, typer.Argument(metavar="OTHER", help="Another's.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for those who look later.")]


@app.command("decisions")
def decisions(
    collection: Collection,
    step: Annotated[
        str | None, typer.Option(help="Only by: title, similar, model or person.")
    ] = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """What was decided of titles that may mean one thing, by whom and why."""
    from graphmill.cli.entities import decisions

    run(lambda: decisions(collection, step, tenant, as_json=as_json))


@app.command("merge")
def merge_entities(
    title: Title,
    other: OtherTitle,
    collection: Collection,
    reason: Reason = "",
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Say that two titles mean one thing, and start the run that makes the graph so."""
    from graphmill.cli.entities import decide

    run(lambda: decide(title, other, collection, reason, tenant, same=True, as_json=as_json))


@app.command("split")
def split_entities(
    title: Title,
    other: OtherTitle,
    collection: Collection,
    reason: Reason = "",
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Say that two titles mean two things, and start the run that makes the graph so."""
    from graphmill.cli.entities import decide

    run(lambda: decide(title, other, collection, reason, tenant, same=False, as_json=as_json))


@app.command("undecide")
def undecide_entities(
    title: Title,
    other: OtherTitle,
    collection: Collection,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Take back what you said of two titles, and start the run that makes the graph so."""
    from graphmill.cli.entities import undecide

    run(lambda: undecide(title, other, collection, tenant, as_json=as_json))
