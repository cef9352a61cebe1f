"""Commands about runs: begun, watched, ended; and what they leave in other stores."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from graphmill.cli.commands.options import Budget, Collection, CollectionName, Json, RunName, Tenant
from graphmill.cli.running import run

app = typer.Typer()


class MethodOption(StrEnum):
    FAST = "fast"
    STANDARD = "standard"


@app.command()
def index(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files and folders to index.")
    ],
    collection: Collection,
    method: Annotated[
        MethodOption | None,
        typer.Option(
            help="How the graph is extracted. fast: without a model; standard: by a model, and the"
            " default where the workers know an endpoint."
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Show progress until the run ends.")] = False,
    force_rebuild: Annotated[
        bool, typer.Option("--force-rebuild", help="Read everything again, changed or not.")
    ] = False,
    priority: Annotated[
        int,
        typer.Option(
            min=1,
            max=5,
            help="1 goes before 5 where runs compete.",
        ),
    ] = 3,
    budget: Budget = None,
    batch: Annotated[
        bool,
        typer.Option(
            "--batch", help="Ask through the endpoint's Batch API: half the price, up to a day."
        ),
    ] = False,
    estimate: Annotated[
        bool,
        typer.Option(
            "--estimate", help="Calls, tokens, money and time, foretold; nothing is run or asked."
        ),
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Forget documents whose files are gone.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Upload new and changed files; start or join the run.

    Exit code 3: the run ended, and some documents of the collection stand failed or partial, or
    texts of its graph have no embedding.
    Exit code 1: it failed, was cancelled or is over its budget.
    """
    from graphmill.cli.index import IndexOptions, index

    options = IndexOptions(
        paths=tuple(paths),
        collection=collection,
        method=None if method is None else method.value,
        wait=wait,
        force_rebuild=force_rebuild,
        priority=priority,
        budget_usd=budget,
        batch=batch,
        estimate=estimate,
        prune=prune,
        tenant=tenant,
        as_json=as_json,
    )
    run(lambda: index(options))


@app.command()
def status(
    name: Annotated[
        str, typer.Argument(metavar="RUN_OR_COLLECTION", help="A run's id or a collection's name.")
    ],
    watch: Annotated[
        bool, typer.Option("--watch", help="Show progress until the run ends.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """How a run stands: phase, documents, graph, calls of models and money, time left."""
    from graphmill.cli.runs import status

    run(lambda: status(name, tenant, watch=watch, as_json=as_json))


@app.command()
def pause(name: RunName, tenant: Tenant = None, as_json: Json = False) -> None:
    """Hold a run: what is being read ends, nothing new begins."""
    from graphmill.cli.runs import pause

    run(lambda: pause(name, tenant, as_json=as_json))


@app.command()
def resume(name: RunName, tenant: Tenant = None, as_json: Json = False) -> None:
    """Let a paused run go on."""
    from graphmill.cli.runs import resume

    run(lambda: resume(name, tenant, as_json=as_json))


@app.command()
def cancel(name: RunName, tenant: Tenant = None, as_json: Json = False) -> None:
    """End a run; what it has read stays, a new run goes on there."""
    from graphmill.cli.runs import cancel

    run(lambda: cancel(name, tenant, as_json=as_json))


@app.command()
def retry(
    name: RunName, budget: Budget = None, tenant: Tenant = None, as_json: Json = False
) -> None:
    """Read the failed and partial documents of a collection again, and embed what has no embedding.

    By the method of its last run.
    """
    from graphmill.cli.runs import retry

    run(lambda: retry(name, budget, tenant, as_json=as_json))


@app.command()
def rebuild(
    collection: CollectionName,
    communities: Annotated[
        bool,
        typer.Option("--communities", help="Find communities afresh, not from those of before."),
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until every other store is written.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Write a collection's graph into the other stores again, or find its communities afresh."""
    from graphmill.cli.rebuild import rebuild

    run(lambda: rebuild(collection, tenant, communities=communities, wait=wait, as_json=as_json))


@app.command()
def check(
    collection: CollectionName,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Compare a collection's graph in PostgreSQL with every other store, record by record.

    Exit code 1: something is missing, outdated, too much, or points to what is not there.
    """
    from graphmill.cli.check import check

    run(lambda: check(collection, tenant, as_json=as_json))
