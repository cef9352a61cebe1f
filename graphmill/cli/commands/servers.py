"""Commands that run servers and workers, and look at them."""

from typing import Annotated

import typer

from graphmill.cli.commands.options import Json, Tenant
from graphmill.cli.running import run

app = typer.Typer()


@app.command()
def up(tenant: Tenant = None, as_json: Json = False) -> None:
    """Start everything embedded; Ctrl-C stops it, its state stays."""
    from graphmill.cli.stack import up

    run(lambda: up(tenant, as_json=as_json), traced=False)


@app.command()
def demo(tenant: Tenant = None, as_json: Json = False) -> None:
    """Index the sample dossier and answer its questions.

    KEEP=1 leaves everything running until Ctrl-C.
    """
    from graphmill.cli.demo import demo

    run(lambda: demo(tenant, as_json=as_json))


@app.command()
def worker(
    roles: Annotated[
        list[str],
        typer.Argument(metavar="ROLE...", help="workflow, cpu, llm, embedding, store, projection."),
    ],
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Run one or more roles of workers, until Ctrl-C or SIGTERM."""
    from graphmill.cli.stack import worker

    run(lambda: worker(tuple(roles), tenant, as_json=as_json), traced=False)


@app.command()
def api(tenant: Tenant = None, as_json: Json = False) -> None:
    """Run the HTTP API, until Ctrl-C or SIGTERM."""
    from graphmill.cli.stack import api

    run(lambda: api(tenant, as_json=as_json), traced=False)


@app.command()
def doctor(tenant: Tenant = None, as_json: Json = False) -> None:
    """Look at every connection, version and setting.

    Says what is wrong and what to do; exit code 1 where something is.
    """
    from graphmill.cli.doctor import doctor

    run(lambda: doctor(tenant, as_json=as_json), traced=False)
