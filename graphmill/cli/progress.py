"""A run as it goes: bars on a terminal, a line now and then elsewhere."""

import time
from collections.abc import AsyncIterator
from datetime import timedelta

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from graphmill.cli.console import err, say
from graphmill.models import Phase, RunState
from graphmill.run_status import ModelUse, RunStatus

_LINE_SECONDS = 10.0

_PHASES = {
    Phase.STARTING: "waiting for a worker",
    Phase.DOCUMENTS: "reading documents",
    Phase.GRAPH: "merging the graph",
    Phase.DESCRIPTIONS: "summarising descriptions",
    Phase.COMMUNITIES: "communities and reports",
    Phase.EMBEDDINGS: "embeddings",
    Phase.PUBLISHING: "publishing",
    Phase.DONE: "done",
}


def file_progress() -> Progress:
    """Bars that count files, on stderr; drawn on a terminal only."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )


async def follow(statuses: AsyncIterator[RunStatus]) -> RunStatus | None:
    """Show a run until it ends; its last status."""
    last: RunStatus | None = None
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[details]}", markup=False),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    ) as progress:
        task = progress.add_task("documents", total=None, details="")
        lines = _Lines(silent=err.is_terminal)
        async for status in statuses:
            last = status
            counts = status.documents
            progress.update(
                task,
                description=phase_words(status),
                total=counts.total,
                completed=counts.total - status.documents_left,
                details=_details(status),
            )
            lines.show(status)
    return last


class _Lines:
    """Where there is no terminal: a line at every change of phase, and every ten seconds."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent
        self._words = ""
        self._at = 0.0

    def show(self, status: RunStatus) -> None:
        words = phase_words(status)
        if self._silent or (words == self._words and time.monotonic() - self._at < _LINE_SECONDS):
            return
        self._words, self._at = words, time.monotonic()
        counts = status.documents
        say(f"{words}: {counts.total - status.documents_left}/{counts.total} {_details(status)}")


def phase_words(status: RunStatus) -> str:
    if status.state is RunState.PAUSED:
        return f"paused (graphmill resume {status.collection})"
    if status.ended:
        return str(status.state).replace("_", " ")
    return _PHASES[status.phase]


def _details(status: RunStatus) -> str:
    counts, used = status.documents, status.model.total
    parts = [
        f"{counts.failed} failed" if counts.failed else "",
        f"{counts.partial} partial" if counts.partial else "",
    ]
    if used.calls or used.cached:
        parts.append(f"{used.calls:,} calls{_cost(used)}")
    if status.processed:
        parts.append(f"{status.documents_per_hour:,.0f} documents/h")
    if status.seconds_left is not None:
        parts.append(f"{duration(status.seconds_left)} left")
    return ", ".join(part for part in parts if part)


def model_words(use: ModelUse, budget_usd: float | None = None) -> str:
    """For people: how often models were asked, what they read and wrote, and what it cost."""
    known = f", {use.cached:,} answered from before" if use.cached else ""
    cost = _cost(use) if budget_usd is None else f", {usd(use.usd)} of {usd(budget_usd)}"
    return (
        f"{use.calls:,} calls{known}, {use.prompt_tokens:,} tokens in,"
        f" {use.completion_tokens:,} out{cost}"
    )


def _cost(use: ModelUse) -> str:
    """Nothing where it is nothing: that may only mean that nobody has set a price."""
    return f", {usd(use.usd)}" if use.usd else ""


def usd(amount: float) -> str:
    """For people: to the cent, less than a dollar to a hundredth of a cent."""
    return f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4f}"


def duration(seconds: float) -> str:
    """For people: 3.2 s, 0:04:05."""
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))
