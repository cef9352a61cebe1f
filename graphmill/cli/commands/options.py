"""Options and arguments that several commands have."""

from typing import Annotated

import typer

Tenant = Annotated[
    str | None, typer.Option("--tenant", metavar="NAME", help="Tenant (GRAPHMILL_TENANT, default).")
]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout; progress on stderr.")
]
Collection = Annotated[str, typer.Option("--collection", "-c", metavar="NAME", help="Collection.")]
CollectionName = Annotated[str, typer.Argument(metavar="COLLECTION", help="Collection.")]
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
