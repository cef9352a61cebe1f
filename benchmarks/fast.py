"""Documents an hour of method fast through Temporal, beside the bare functions; as tables.

Everything runs on the embedded stack over files, as `graphmill up` starts it, in a temporary home.
Figures hold for this machine and for what else it does: stop what else it does. Of the rounds each
figure is the best; CPU is that of the round whose whole run was the shortest.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from benchmarks.bare_loop import Bare, Functions, measure_bare_loop, measure_functions
from benchmarks.cpu_time import KINDS
from benchmarks.shared import measure_empty, measure_shared
from benchmarks.through_temporal import Measured, measure_run
from benchmarks.workloads import Workload, long_workload, passages_workload
from graphmill.bootstrap import open_application
from graphmill.embedded.stack import Parts, running_stack
from graphmill.settings import Settings, load_settings
from graphmill.tenancy import acting_for
from tests.support.corpus import Passage, read_passages

T = TypeVar("T", Measured, Bare)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured, how often; the best counts."""

    passages: int
    long: int
    rounds: int


QUICK = Sizes(passages=300, long=60, rounds=1)
# (b) is long enough that starting and ending, a second or two, do not count.
FULL = Sizes(passages=1890, long=1000, rounds=3)


@dataclass(frozen=True, slots=True)
class Result:
    workload: Workload
    through_temporal: Measured
    bare: Bare
    functions: Functions


async def compare_fast(sizes: Sizes, shared: Path, console: Console) -> None:
    """Measure and print."""
    passages = read_passages(shared)
    small = passages_workload(passages[: sizes.passages])
    long = long_workload(passages, sizes.long)
    cores = os.cpu_count() or 1
    folder = Path(tempfile.mkdtemp(prefix="graphmill-bench-"))
    try:
        results = [
            await _measure(_home(folder / workload.name), sizes, workload, cores, console, passages)
            for workload in (small, long)
        ]
        async with AsyncExitStack() as stack:
            settings = _home(folder / "shared")
            addresses = await stack.enter_async_context(running_stack(settings, Parts.RUN))
            app = await stack.enter_async_context(open_application(settings, addresses))
            stack.enter_context(acting_for(settings.tenant))
            say(console, "many documents in one workflow")
            shared_seconds = {
                size: await measure_shared(app, addresses, small, size) for size in (1, 20)
            }
        async with running_stack(_home(folder / "empty"), Parts.SERVERS) as addresses:
            say(console, "the same workflows over activities that do nothing")
            empty_seconds = await measure_empty(addresses, small.documents)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _show(results, cores, console)
    _show_shared(results[0], shared_seconds, empty_seconds, console)


async def _measure(
    settings: Settings,
    sizes: Sizes,
    workload: Workload,
    cores: int,
    console: Console,
    passages: Sequence[Passage],
) -> Result:
    """On servers of its own: a Temporal server is slower the more workflows its file holds."""
    runs: list[Measured] = []
    bares: list[Bare] = []
    async with AsyncExitStack() as stack:
        addresses = await stack.enter_async_context(running_stack(settings, Parts.RUN))
        app = await stack.enter_async_context(open_application(settings, addresses))
        stack.enter_context(acting_for(settings.tenant))
        say(
            console,
            f"({workload.name}) {workload.documents} {workload.words}, and the bare functions",
        )
        await measure_run(app, settings.home, passages_workload(passages[:60]), "warm-up")
        # In turns, so that a slow minute of the machine hits both.
        for number in range(sizes.rounds):
            runs.append(await measure_run(app, settings.home, workload, f"run-{number}"))
            bares.append(
                await measure_bare_loop(addresses.database_url, workload, f"bare-{number}", cores)
            )
    functions = await asyncio.to_thread(measure_functions, workload)
    return Result(workload, best(runs), best(bares), functions)


def _home(folder: Path) -> Settings:
    return load_settings({"home": folder, "temporal_address": None, "database_url": None})


def best(rounds: Sequence[T]) -> T:
    """The round that was over first, with the shortest reading of documents of any round."""
    shortest = min(result.documents_seconds for result in rounds)
    return replace(min(rounds, key=lambda result: result.seconds), documents_seconds=shortest)


def say(console: Console, words: str) -> None:
    console.print(f"[dim]{words}[/dim]")


def _show(results: list[Result], cores: int, console: Console) -> None:
    table = Table(title="method fast, file-backed embedded stack", title_justify="left", box=None)
    table.add_column()
    for result in results:
        name = result.workload.name
        table.add_column(f"({name}) {result.workload.documents} {result.workload.words}")

    def row(words: str, cell: Callable[[Result], str]) -> None:
        table.add_row(words, *(cell(result) for result in results))

    row("documents an hour, documents' phase", lambda r: f"{r.through_temporal.per_hour:,.0f}")
    row(
        "documents an hour, whole run",
        lambda r: f"{r.workload.documents / r.through_temporal.seconds * 3600:,.0f}",
    )
    row("seconds: documents / whole run", lambda r: _seconds(r.through_temporal))
    row("bare loop: documents an hour", lambda r: f"{r.bare.per_hour:,.0f}")
    row("bare loop: seconds", lambda r: _seconds(r.bare))
    row(
        "of the bare loop: documents / whole run",
        lambda r: (
            f"{r.through_temporal.per_hour / r.bare.per_hour:.0%}"
            f" / {r.bare.seconds / r.through_temporal.seconds:.0%}"
        ),
    )
    table.add_section()
    row("cores busy (this stack / machine)", lambda r: _busy(r.through_temporal, cores))
    for kind in KINDS:
        row(f"  {kind}", lambda r, kind=kind: _share(r, kind))
    table.add_section()
    row("CPU of the functions, ms a document", lambda r: f"{1000 * _all(r) / _count(r):.2f}")
    for name in ("parse", "chunk", "extract"):
        row(f"  {name}", lambda r, name=name: f"{getattr(r.functions, name) / _all(r):.0%}")
    console.print()
    console.print(table)


def _count(result: Result) -> int:
    return result.workload.documents


def _all(result: Result) -> float:
    functions = result.functions
    return functions.parse + functions.chunk + functions.extract


def _seconds(measured: Measured | Bare) -> str:
    return f"{measured.documents_seconds:.1f} / {measured.seconds:.1f}"


def _busy(measured: Measured, cores: int) -> str:
    cpu = measured.cpu
    own = sum(cpu.seconds.values()) / (cpu.wall * cores)
    return f"{own:.0%} / {cpu.busy / cpu.machine:.0%}"


def _share(result: Result, kind: str) -> str:
    cpu = result.through_temporal.cpu.seconds
    spent = cpu[kind]
    return f"{spent / sum(cpu.values()):.0%}  ({1000 * spent / _count(result):.1f} ms a document)"


def _show_shared(
    small: Result, shared_seconds: dict[int, float], empty_seconds: float, console: Console
) -> None:
    count = _count(small)
    table = Table(
        title=f"{count} small documents: a workflow each, or many in one",
        title_justify="left",
        box=None,
    )
    for column in ("", "documents an hour", "ms a document"):
        table.add_column(column, justify="left" if not column else "right")

    def row(words: str, seconds: float) -> None:
        table.add_row(words, f"{count / seconds * 3600:,.0f}", f"{1000 * seconds / count:.1f}")

    row("a workflow each (as it is)", small.through_temporal.documents_seconds)
    row("a workflow each, activities that do nothing", empty_seconds)
    for size, seconds in shared_seconds.items():
        row(f"a page in one workflow, {size} documents an activity", seconds)
    row("bare loop", small.bare.documents_seconds)
    console.print()
    console.print(table)
