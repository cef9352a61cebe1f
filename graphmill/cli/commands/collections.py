"""graphmill collections."""

from typing import Annotated

import typer

from graphmill.cli.commands.options import CollectionName, Json, Tenant
from graphmill.cli.running import run

app = typer.Typer(help="List, show and delete collections.", no_args_is_help=True)


@app.command("list")
def list_collections(tenant: Tenant = None, as_json: Json = False) -> None:
    """Collections and what is in them."""
    from graphmill.cli.collections import list_collections

    run(lambda: list_collections(tenant, as_json=as_json))


@app.command("show")
def show_collection(
    collection: CollectionName,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """One collection."""
    from graphmill.cli.collections import show_collection

    run(lambda: show_collection(collection, tenant, as_json=as_json))


@app.command("delete")
def delete_collection(
    collection: CollectionName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Delete a collection with its documents and graph."""
    from graphmill.cli.collections import delete_collection

    run(lambda: delete_collection(collection, tenant, yes=yes, as_json=as_json))
