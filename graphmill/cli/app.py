"""The table of commands and their options. What they do is imported when one of them is run.

(`graphmill --help` answers at once: nothing is imported here but typer.)
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from graphmill.cli.running import run

app = typer.Typer(
    name="graphmill",
    help="Durable GraphRAG indexing: documents in, a knowledge graph and cited answers out.",
    no_args_is_help=True,
    add_completion=False,
    # Errors are one line; GRAPHMILL_DEBUG=1 shows where they come from.
    pretty_exceptions_enable=False,
    # Plain help: rich would take three times as long to say the same.
    rich_markup_mode=None,
)
documents = typer.Typer(help="List, show and delete documents.", no_args_is_help=True)
collections = typer.Typer(help="List, show and delete collections.", no_args_is_help=True)
entities = typer.Typer(
    help="Which titles mean one entity: what was decided, and what you say.", no_args_is_help=True
)
prompts = typer.Typer(
    help="A collection's own prompts and extraction settings.", no_args_is_help=True
)
app.add_typer(documents, name="documents")
app.add_typer(entities, name="entities")
app.add_typer(collections, name="collections")
app.add_typer(prompts, name="prompts")


class MethodOption(StrEnum):
    FAST = "fast"
    STANDARD = "standard"


Tenant = Annotated[
    str | None, typer.Option("--tenant", metavar="NAME", help="Tenant (GRAPHMILL_TENANT, default).")
]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout; progress on stderr.")
]
Collection = Annotated[str, typer.Option("--collection", "-c", metavar="NAME", help="Collection.")]
Budget = Annotated[
    float | None,
    typer.Option(
        "--budget",
        metavar="USD",
        help="The most that models may cost in this run; over it, the run ends and the next goes"
        " on. 0: only answers that are paid for.",
    ),
]
RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's id, or a collection's name (its latest run).")
]


@app.command()
def up(tenant: Tenant = None, as_json: Json = False) -> None:
    """Start everything embedded; Ctrl-C stops it, its state stays."""
    from graphmill.cli.stack import up

    run(lambda: up(tenant, as_json=as_json))


@app.command()
def demo(tenant: Tenant = None, as_json: Json = False) -> None:
    """Index the sample dossier and answer its questions.

    KEEP=1 leaves everything running until Ctrl-C.
    """
    from graphmill.cli.demo import demo

    run(lambda: demo(tenant, as_json=as_json))


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
    collection: Annotated[str, typer.Argument(metavar="COLLECTION", help="Collection.")],
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
    collection: Annotated[str, typer.Argument(metavar="COLLECTION", help="Collection.")],
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Compare a collection's graph in PostgreSQL with every other store, record by record.

    Exit code 1: something is missing, outdated, too much, or points to what is not there.
    """
    from graphmill.cli.check import check

    run(lambda: check(collection, tenant, as_json=as_json))


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
    collection: Annotated[str, typer.Argument(metavar="COLLECTION", help="Collection.")],
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
    collection: Annotated[str, typer.Argument(metavar="COLLECTION", help="Collection.")],
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


@documents.command("list")
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


@documents.command("show")
def show_document(
    document: Annotated[str, typer.Argument(metavar="DOCUMENT", help="Its id or its name.")],
    collection: Collection,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """One document, and what models cost for it."""
    from graphmill.cli.documents import show_document

    run(lambda: show_document(document, collection, tenant, as_json=as_json))


@documents.command("delete")
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


Title = Annotated[str, typer.Argument(metavar="TITLE", help="An entity's title.")]
OtherTitle = Annotated[str, typer.Argument(metavar="OTHER", help="Another's.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for those who look later.")]


@entities.command("decisions")
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


@entities.command("merge")
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


@entities.command("split")
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


@entities.command("undecide")
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


@collections.command("list")
def list_collections(tenant: Tenant = None, as_json: Json = False) -> None:
    """Collections and what is in them."""
    from graphmill.cli.collections import list_collections

    run(lambda: list_collections(tenant, as_json=as_json))


@collections.command("show")
def show_collection(
    collection: Annotated[str, typer.Argument(metavar="COLLECTION")],
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """One collection."""
    from graphmill.cli.collections import show_collection

    run(lambda: show_collection(collection, tenant, as_json=as_json))


@collections.command("delete")
def delete_collection(
    collection: Annotated[str, typer.Argument(metavar="COLLECTION")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Delete a collection with its documents and graph."""
    from graphmill.cli.collections import delete_collection

    run(lambda: delete_collection(collection, tenant, yes=yes, as_json=as_json))


@prompts.command("show")
def show_prompts(collection: Collection, tenant: Tenant = None, as_json: Json = False) -> None:
    """Which prompts and extraction settings are in force."""
    from graphmill.cli.prompts import show_prompts

    run(lambda: show_prompts(collection, tenant, as_json=as_json))


@prompts.command("export")
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


@prompts.command("set")
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


@prompts.command("history")
def prompts_history(collection: Collection, tenant: Tenant = None, as_json: Json = False) -> None:
    """The collection's latest 100 versions: when each was stored, and what it changed."""
    from graphmill.cli.prompts import prompts_history

    run(lambda: prompts_history(collection, tenant, as_json=as_json))


@prompts.command("use")
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


@prompts.command("reset")
def reset_prompts(collection: Collection, tenant: Tenant = None, as_json: Json = False) -> None:
    """Go back to the prompts that are shipped and the workers' settings."""
    from graphmill.cli.prompts import reset_prompts

    run(lambda: reset_prompts(collection, tenant, as_json=as_json))


@prompts.command("tune")
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


@app.command()
def worker(
    roles: Annotated[
        list[str], typer.Argument(metavar="ROLE...", help="workflow, cpu, llm, embedding, store.")
    ],
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Run one or more roles of workers, until Ctrl-C or SIGTERM."""
    from graphmill.cli.stack import worker

    run(lambda: worker(tuple(roles), tenant, as_json=as_json))


@app.command()
def api(tenant: Tenant = None, as_json: Json = False) -> None:
    """Run the HTTP API, until Ctrl-C or SIGTERM."""
    from graphmill.cli.stack import api

    run(lambda: api(tenant, as_json=as_json))


@app.command()
def doctor(tenant: Tenant = None, as_json: Json = False) -> None:
    """Look at every connection, version and setting.

    Says what is wrong and what to do; exit code 1 where something is.
    """
    from graphmill.cli.doctor import doctor

    run(lambda: doctor(tenant, as_json=as_json))
