"""graphmill prompts."""

from pathlib import Path
from typing import Annotated

import typer

from graphmill.cli.commands.options import Collection, Json, Tenant
from graphmill.cli.running import run

app = typer.Typer(help="A collection's own prompts and extraction settings.", no_args_is_help=True)


@app.command("show")
def show_prompts(collection: Collection, tenant: Tenant = None, as_json: Json = False) -> None:
    """Which prompts and extraction settings are in force."""
    from graphmill.cli.prompts import show_prompts

    run(lambda: show_prompts(collection, tenant, as_json=as_json))


@app.command("export")
def export_prompts(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write.")],
    collection: Collection,
    version: Annotated[
        str | None,
        typer.Option("--version", metavar="VERSION", help="Not what is in force, but this."),
    ] = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Write what is in force as files, to be changed and set."""
    from graphmill.cli.prompts import export_prompts

    run(lambda: export_prompts(collection, folder, version, tenant, as_json=as_json))


@app.command("set")
def set_prompts(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of NAME.md files and extraction.toml.")
    ],
    collection: Collection,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Put the files of a folder in force from the next run on.

    What has no file there is as it is shipped, or as the workers are set.
    """
    from graphmill.cli.prompts import set_prompts

    run(lambda: set_prompts(collection, folder, tenant, as_json=as_json))


@app.command("history")
def prompts_history(collection: Collection, tenant: Tenant = None, as_json: Json = False) -> None:
    """The collection's latest 100 versions: when each was stored, and what it changed."""
    from graphmill.cli.prompts import prompts_history

    run(lambda: prompts_history(collection, tenant, as_json=as_json))


@app.command("use")
def use_prompts(
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="Or its beginning, as in the history.")
    ],
    collection: Collection,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Put an earlier version, or a draft, in force from the next run on."""
    from graphmill.cli.prompts import use_prompts

    run(lambda: use_prompts(collection, version, tenant, as_json=as_json))


@app.command("reset")
def reset_prompts(collection: Collection, tenant: Tenant = None, as_json: Json = False) -> None:
    """Go back to the prompts that are shipped and the workers' settings."""
    from graphmill.cli.prompts import reset_prompts

    run(lambda: reset_prompts(collection, tenant, as_json=as_json))


@app.command("tune")
def tune_prompts(
    collection: Collection,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--dir", metavar="DIR", help="Folder to write the draft to (COLLECTION-prompts)."
        ),
    ] = None,
    sample: Annotated[
        int, typer.Option(min=1, max=64, help="Text units that the model is shown.")
    ] = 16,
    budget: Annotated[
        float | None, typer.Option("--budget", metavar="USD", help="The most that it may cost.")
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Put the draft in force without a look at it.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Have the extraction model draft types and prompts from a sample of the collection's text."""
    from graphmill.cli.prompts import tune_prompts

    run(
        lambda: tune_prompts(
            collection, folder, sample, budget, tenant, apply=apply, as_json=as_json
        )
    )
