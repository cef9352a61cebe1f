"""graphmill keys."""

from enum import StrEnum
from typing import Annotated

import typer

from graphmill.cli.commands.options import Json, Tenant
from graphmill.cli.running import run

app = typer.Typer(help="Keys of the HTTP API: make, list and revoke them.", no_args_is_help=True)


class ScopeOption(StrEnum):
    READ = "read"
    INDEX = "index"
    ADMIN = "admin"
    OPERATOR = "operator"


@app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who has it, for the list.")],
    scopes: Annotated[
        list[ScopeOption] | None,
        typer.Option(
            "--scope",
            help="read: look and ask; index: upload, delete documents, run; admin: delete"
            " collections; operator: figures of the deployment. May be given more than once."
            " [default: read]",
        ),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option("--days", min=1, max=36_500, help="Until it expires; left out, it does not."),
    ] = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Make a key of a tenant, and print it: it cannot be shown again."""
    from graphmill.cli.keys import create_key

    names = tuple(scope.value for scope in scopes or [ScopeOption.READ])
    run(lambda: create_key(name, names, days, tenant, as_json=as_json))


@app.command("list")
def list_keys(tenant: Tenant = None, as_json: Json = False) -> None:
    """Keys of a tenant, without what is secret of them."""
    from graphmill.cli.keys import list_keys

    run(lambda: list_keys(tenant, as_json=as_json))


@app.command("revoke")
def revoke_key(
    id: Annotated[str, typer.Argument(metavar="ID", help="As in the list.")],
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """From now on it is refused."""
    from graphmill.cli.keys import revoke_key

    run(lambda: revoke_key(id, tenant, as_json=as_json))
