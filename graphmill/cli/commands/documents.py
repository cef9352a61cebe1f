"""graphmill documents."""

from typing import Annotated

import typer

from graphmill.cli.commands.options import Collection, Json, Tenant
from graphmill.cli.running import run

app = typer.Typer(help="List, show and delete documents.", no_args_is_help=True)


@app.command("list")
def list_documents(
    collection: Collection,
    state: Annotated[
        str | None,
        typer.Option(help="Only: uploaded, pending, done, partial, failed or skipped."),
    ] = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Documents of a collection and what became of them."""
    from graphmill.cli.documents import list_documents

    run(lambda: list_documents(collection, state, tenant, as_json=as_json))


@app.command("show")
def show_document(
    document: Annotated[str, typer.Argument(metavar="DOCUMENT", help="Its id or its name.")],
    collection: Collection,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """One document, and what models cost for it."""
    from graphmill.cli.documents import show_document

    run(lambda: show_document(document, collection, tenant, as_json=as_json))


@app.command("delete")
def delete_documents(
    names: Annotated[
        list[str], typer.Argument(metavar="DOCUMENT...", help="Their ids or their names.")
    ],
    collection: Collection,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Forget documents, and start the run that takes them out of the graph."""
    from graphmill.cli.documents import delete_documents

    run(lambda: delete_documents(tuple(names), collection, tenant, as_json=as_json))
