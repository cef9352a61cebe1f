"""The table of commands. What they do is imported when one of them is run.

(`graphmill --help` answers at once: nothing is imported here but typer.)
"""

import typer

from graphmill.cli.commands import (
    collections,
    documents,
    entities,
    keys,
    prompts,
    questions,
    runs,
    schedules,
    servers,
)

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
for commands in (servers.app, runs.app, schedules.once, questions.app):
    app.add_typer(commands)
for name, group in (
    ("documents", documents),
    ("entities", entities),
    ("collections", collections),
    ("prompts", prompts),
    ("keys", keys),
    ("schedules", schedules),
):
    app.add_typer(group.app, name=name)
