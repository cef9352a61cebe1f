"""Documents are indexed while a thousand connections ask the API: what each holds alone, and both
together.

First the API alone: the highest rate of requests on mixed routes, found by more and more
connections that ask again as soon as they are answered. Then documents alone. Then both, with a
thousand connections at half of that rate.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.cpu_time import KINDS
from benchmarks.http_load import Load, Seen, seen_of
from benchmarks.through_temporal import Measured, measure_run
from benchmarks.workloads import Workload, long_workload, passages_workload
from graphmill.application.graphmill import Graphmill
from graphmill.application.run_workflows import RunHandle
from graphmill.bootstrap import open_application
from graphmill.embedded.stack import Parts, running_stack
from graphmill.index_request import IndexRequest
from graphmill.models import CollectionKey, Method, RunState
from graphmill.settings import load_settings
from graphmill.tenancy import acting_for
from tests.support.corpus import read_passages

_ROOT = Path(__file__).resolve().parent.parent
_RAMP = (8, 32, 128)
_RAMP_SECONDS = 6.0
_LINE_BYTES = 2**26
_ENOUGH = 0.95


@dataclass(frozen=True, slots=True)
class Sizes:
    """`streams` follow a run that tells nothing, and as many the run that is measured."""

    documents: int
    connections: int
    streams: int


QUICK = Sizes(documents=60, connections=180, streams=20)
FULL = Sizes(documents=300, connections=850, streams=150)


@dataclass(frozen=True, slots=True)
class Together:
    seen: Seen
    run: Measured


async def compare_http(sizes: Sizes, shared: Path, console: Console) -> None:
    """Measure and print."""
    passages = read_passages(shared)
    workload = long_workload(passages, sizes.documents)
    folder = Path(tempfile.mkdtemp(prefix="graphmill-bench-"))
    settings = load_settings({"home": folder, "temporal_address": None, "database_url": None})
    try:
        async with AsyncExitStack() as stack:
            addresses = await stack.enter_async_context(running_stack(settings, Parts.ALL))
            app = await stack.enter_async_context(open_application(settings, addresses))
            stack.enter_context(acting_for(settings.tenant))
            assert addresses.api_url is not None
            await measure_run(app, folder, passages_workload(passages[:300]), "served")
            held = await _hold_run(app, passages_workload(passages[:20]))
            load = Load(addresses.api_url, "served", held.run_id, 1)
            console.print("[dim]the API alone, by more and more connections[/dim]")
            ramp = [await _measure_ramp(load, connections) for connections in _RAMP]
            highest = max(ramp, key=_rate)
            console.print(f"[dim]{sizes.documents} {workload.words} alone, and both[/dim]")
            alone = await measure_run(app, folder, workload, "alone")
            half = Load(
                addresses.api_url,
                "served",
                held.run_id,
                sizes.connections,
                sizes.streams,
                rate=_rate(highest) / 2,
            )
            both = await _measure_both(app, folder, workload, half)
            await app.runs.cancel(held)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _show(ramp, highest, alone, both, half.rate, console)
    if wrong := _wrong(half, both.seen):
        sys.exit(f"the part with indexing is no measurement: {'; '.join(wrong)}")


def _wrong(load: Load, seen: Seen) -> list[str]:
    """Why what was seen says nothing of what was asked for."""
    assert load.rate is not None
    wrong: list[str] = []
    if seen.cut_off:
        wrong.append("the load came to its bound while documents were indexed")
    if _rate(seen) < _ENOUGH * load.rate:
        wrong.append(f"asked were {load.rate:,.0f} a second, and {_rate(seen):,.0f} reached")
    if seen.failures:
        wrong.append(_failed(seen))
    return wrong


async def _hold_run(app: Graphmill, workload: Workload) -> RunHandle:
    """A run that stays as it is."""
    key = CollectionKey("default", "held")
    await app.documents.upload(key, workload.uploads)
    run = await app.runs.start(IndexRequest(key.name, method=Method.FAST))
    await app.runs.pause(run)
    async for status in app.runs.wait(run):
        if status.state is RunState.PAUSED:
            return run
    raise RuntimeError("the run ended before it could be held")


async def _measure_ramp(load: Load, connections: int) -> Seen:
    asked = Load(
        load.url, load.served, load.held_run, connections, streams=10, seconds=_RAMP_SECONDS
    )
    async with _generator(asked) as process:
        return await _result(process)


async def _measure_both(app: Graphmill, home: Path, workload: Workload, load: Load) -> Together:
    async with _generator(load) as process:
        assert process.stdin is not None

        async def followed(run: RunHandle) -> None:
            assert process.stdin is not None
            process.stdin.write(f"{run.run_id}\n".encode())
            await process.stdin.drain()

        run = await measure_run(app, home, workload, "with-load", followed)
        process.stdin.close()
        return Together(await _result(process), run)


@asynccontextmanager
async def _generator(load: Load) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Its connections are open when the block begins."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.http_load", json.dumps(asdict(load))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=_ROOT,
        limit=_LINE_BYTES,
    )
    try:
        assert process.stdout is not None
        told = await process.stdout.readline()
        assert told, "the load did not come to be"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _result(process: asyncio.subprocess.Process) -> Seen:
    assert process.stdout is not None
    async with asyncio.timeout(300):
        return seen_of((await process.stdout.readline()).decode())


def _rate(seen: Seen) -> float:
    """Of those that were answered well."""
    return seen.reached / seen.seconds


def _at(times: Sequence[float], share: float) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _all_times(seen: Seen) -> list[float]:
    return [time for times in seen.times.values() for time in times]


def _failed(seen: Seen) -> str:
    if not seen.failures:
        return "0"
    words = "; ".join(f"{count} {name}" for name, count in sorted(seen.failures.items()))
    return f"{sum(seen.failures.values())} ({words})"


def _show(
    ramp: Sequence[Seen],
    highest: Seen,
    alone: Measured,
    both: Together,
    asked: float | None,
    console: Console,
) -> None:
    load = Table(title="requests on mixed routes", title_justify="left", box=None)
    columns = (
        *("", "connections", "requests", "asked a second", "reached"),
        *("p50 ms", "p99 ms", "failed"),
    )
    for column in columns:
        load.add_column(column, justify="right" if column else "left")
    named = [("the API alone", seen) for seen in ramp]
    for words, seen in [*named, ("at half, while documents are indexed", both.seen)]:
        times = _all_times(seen)
        best = " (highest)" if seen is highest else ""
        load.add_row(
            words + best,
            f"{seen.open:,}",
            f"{seen.requests:,}",
            f"{asked:,.0f}" if asked and seen is both.seen else "",
            f"{_rate(seen):,.1f}",
            f"{_at(times, 0.5):,.1f}",
            f"{_at(times, 0.99):,.1f}",
            _failed(seen),
        )
    console.print()
    console.print(load)
    routes = Table(title="  of the last, by route", title_justify="left", box=None)
    for column in ("", "requests", "p50 ms", "p99 ms"):
        routes.add_column(column, justify="right" if column else "left")
    for name, times in sorted(both.seen.times.items()):
        routes.add_row(
            f"  {name}", f"{len(times):,}", f"{_at(times, 0.5):,.1f}", f"{_at(times, 0.99):,.1f}"
        )
    console.print(routes)
    console.print(
        f"  events told by streams: {both.seen.events:,}; the last end {both.seen.ends:.1f} s"
        " behind the run's"
    )
    documents = Table(title="documents indexed", title_justify="left", box=None)
    for column in ("", "alone", "with requests", "of alone"):
        documents.add_column(column, justify="right" if column else "left")

    def row(words: str, one: float, other: float) -> None:
        documents.add_row(words, f"{one:,.0f}", f"{other:,.0f}", f"{other / one:.0%}")

    row("an hour, documents' phase", alone.per_hour, both.run.per_hour)
    row("an hour, whole run", _whole(alone), _whole(both.run))
    for kind in KINDS:
        one, other = (run.cpu.seconds[kind] / run.cpu.wall for run in (alone, both.run))
        documents.add_row(f"  cores busy: {kind}", f"{one:.2f}", f"{other:.2f}", "")
    console.print()
    console.print(documents)


def _whole(run: Measured) -> float:
    return run.documents / run.seconds * 3600
