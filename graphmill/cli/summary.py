"""How a run ended, for people, and the exit code that says so to scripts."""

from rich.table import Table

from graphmill.cli.console import cell, out, say, show_table
from graphmill.cli.progress import duration, model_words, phase_words
from graphmill.cli.running import DOCUMENTS_FAILED, ERROR
from graphmill.models import RunState
from graphmill.run_status import RunStatus

_SHOWN_FAILURES = 50


def exit_code_of(status: RunStatus) -> int:
    """0 done or under way; 1 failed, cancelled or over its budget; 3 ended while documents stand
    failed or partial, texts are without an embedding, or no model gave reports or summaries."""
    if status.state in (RunState.FAILED, RunState.CANCELLED, RunState.OVER_BUDGET):
        return ERROR
    return DOCUMENTS_FAILED if status.ended and status.has_failures else 0


def show_summary(status: RunStatus) -> None:
    """The figures as a table, the failures with their reasons, and what can be done about them."""
    counts = status.documents
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    table.add_row("run", status.run_id)
    table.add_row("state", phase_words(status))
    if status.reason:
        table.add_row("reason", cell(status.reason))
    partial = f", {counts.partial:,} partial" if counts.partial else ""
    skipped = f", {counts.skipped:,} skipped" if counts.skipped else ""
    left = f", {status.documents_left:,} waiting" if status.documents_left else ""
    table.add_row(
        "documents",
        f"{counts.total:,}: {counts.done:,} done, {counts.failed:,} failed{partial}{skipped}{left}",
    )
    table.add_row(
        "graph",
        f"{status.text_units:,} text units, {status.entities:,} entities,"
        f" {status.relationships:,} relationships, {status.communities:,} communities,"
        f" {status.reports:,} reports",
    )
    for name, gaps in (("embeddings", status.embeddings), ("model gaps", status.model_gaps)):
        if gaps:
            table.add_row(name, str(gaps))
            for missing in gaps.reasons:
                table.add_row("", cell(missing))
    for standing in status.projections:
        table.add_row(standing.store, cell(standing))
    _add_model(table, status)
    rate = f", {status.documents_per_hour:,.0f} documents/h" if status.processed else ""
    table.add_row("time", f"{duration(status.seconds)}{rate}")
    if status.seconds_left is not None:
        table.add_row("left", f"about {duration(status.seconds_left)} for the documents")
    show_table(table)
    if status.failures:
        _show_failures(status)
    if status.embeddings.missing:
        say(
            f"What has no embedding is not found by its meaning: `graphmill retry"
            f" {status.collection}`, or the next run, asks for it once more."
        )
    if status.model_gaps:
        say(
            f"Extractive reports and listed descriptions stand where a model gave none: `graphmill"
            f" retry {status.collection}`, or the next run, asks for them alone."
        )


def _add_model(table: Table, status: RunStatus) -> None:
    """In all, and by step where there are several."""
    use = status.model
    if use.total.calls or use.total.cached or status.budget_usd is not None:
        table.add_row("model", model_words(use.total, status.budget_usd))
    if len(use.steps) > 1:
        for step, figures in use.steps.items():
            table.add_row("", f"{step}: {model_words(figures)}")


def _show_failures(status: RunStatus) -> None:
    table = Table(
        "document", "why it failed or is partial", box=None, pad_edge=False, header_style="bold"
    )
    for failure in status.failures[:_SHOWN_FAILURES]:
        table.add_row(cell(failure.path), cell(failure.reason))
    out.print()
    show_table(table)
    counts = status.documents
    hidden = counts.with_failures - min(len(status.failures), _SHOWN_FAILURES)
    if hidden > 0:
        say(
            f"and {hidden:,} more: graphmill documents list --collection {status.collection}"
            f" --state failed{' (or partial)' if counts.partial else ''}"
        )
    which = f"{counts.failed:,} failed" if counts.failed else ""
    if counts.partial:
        which += f"{' and ' if which else ''}{counts.partial:,} partial"
    say(
        "Failures stand until the file changes or is asked for again: "
        f"`graphmill retry {status.collection}` reads the {which}"
        f" document{'' if counts.with_failures == 1 else 's'} once more."
    )
