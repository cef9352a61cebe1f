"""Commands that read a graph."""

from pathlib import Path
from typing import Annotated

import typer

from graphmill.cli.commands.options import Collection, CollectionName, Json, Tenant
from graphmill.cli.running import run

app = typer.Typer()


@app.command()
def query(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What you want to know.")],
    collection: Collection,
    mode: Annotated[str, typer.Option(help="local (entities and passages) or basic.")] = "local",
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Answer a question from a collection, with citations."""
    from graphmill.cli.query import query

    run(lambda: query(question, collection, mode, tenant, as_json=as_json))


@app.command()
def export(
    collection: CollectionName,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.")],
    format: Annotated[str, typer.Option("--format", help="parquet or jsonl.")] = "parquet",
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Write the tables of a collection's graph as files."""
    from graphmill.cli.export import export

    run(lambda: export(collection, format, output, tenant, as_json=as_json))


@app.command("eval")
def evaluation(
    collection: CollectionName,
    questions: Annotated[
        Path, typer.Argument(metavar="QUESTIONS.jsonl", help="question, gold_ids, answers a line.")
    ],
    mode: Annotated[str, typer.Option(help="local (entities and passages) or basic.")] = "local",
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Ask questions whose answers are known: recall@2/5/10, exact match, F1."""
    from graphmill.cli.evaluation import evaluation

    run(lambda: evaluation(collection, questions, mode, tenant, as_json=as_json))
