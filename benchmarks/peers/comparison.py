"""All three on the same documents and the same simulated model, one after the other; as a table."""

import shutil
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.peers.environments import PEERS, NotInstalled, install, is_installed
from benchmarks.peers.measuring import (
    BEHAVIOUR,
    PLACES,
    SECONDS,
    Indexed,
    measure_index,
    measure_peer,
)
from benchmarks.standard_run import NotMeasured
from tests.support.corpus import long_documents, read_passages, write_file
from tests.support.model_endpoint import ModelEndpoint, running_endpoint

DOCUMENTS = 100
QUICK_DOCUMENTS = 10
CHARACTERS = 5_000
_OURS = "graphmill"

_Measure = Callable[[ModelEndpoint], Awaitable[Indexed]]


async def compare_peers(shared: Path, console: Console, *, documents: int = DOCUMENTS) -> None:
    """Measure and print. What cannot be measured says why and keeps nobody else from it."""
    # All before anything is measured.
    for peer in PEERS:
        if not is_installed(peer):
            console.print(f"[dim]installing {peer.name} {peer.version}, this once (minutes)[/dim]")
            try:
                await install(peer)
            except NotInstalled as why:
                console.print(f"  cannot be installed: {why}", markup=False)
    work = Path(tempfile.mkdtemp(prefix="graphmill-peers-"))
    results: dict[str, Indexed] = {}
    try:
        folder = work / "documents"
        texts = long_documents(read_passages(shared), documents, CHARACTERS)
        for number, text in enumerate(texts):
            write_file(folder / f"{number:05}.txt", text, number)
        measures: dict[str, _Measure] = {_OURS: partial(measure_index, folder, work / "home")}
        for peer in PEERS:
            measures[f"{peer.name} {peer.version}"] = partial(
                measure_peer, peer, folder, work / peer.name
            )
        for name, measure in measures.items():
            console.print(f"[dim]{name}: {documents} documents of {CHARACTERS:,} characters[/dim]")
            # A fresh one each: nobody pays for what another left in the air.
            async with running_endpoint(BEHAVIOUR) as endpoint:
                try:
                    results[name] = await measure(endpoint)
                except NotMeasured as why:
                    console.print(f"  not measured: {why}", markup=False)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if results:
        show(results, documents, console)


def show(results: dict[str, Indexed], documents: int, console: Console) -> None:
    title = (
        f"{documents} documents of {CHARACTERS:,} characters, simulated model of {PLACES} places,"
        f" {SECONDS} s a call"
    )
    table = Table(title=title, title_justify="left", box=None)
    table.add_column()
    for name in results:
        table.add_column(name, justify="right")

    def row(words: str, cell: Callable[[Indexed], str]) -> None:
        table.add_row(words, *map(cell, results.values()))

    row("seconds, whole index", lambda r: f"{r.seconds:.1f}")
    if ours := results.get(_OURS):
        row("  of graphmill's", lambda r: f"{r.seconds / ours.seconds:.2f}")
    row("seconds, first chat call to last", lambda r: f"{r.calls.chat_seconds:.1f}")
    if ours:
        row("  of graphmill's", lambda r: f"{r.calls.chat_seconds / ours.calls.chat_seconds:.2f}")
    row("seconds of CPU", lambda r: f"{r.cpu_seconds:.1f}")
    row("places busy, first call to last", lambda r: f"{r.calls.share:.0%}")
    row("calls: chat", lambda r: f"{r.calls.chat:,}")
    row("calls: embeddings", lambda r: f"{r.calls.embeddings:,}")
    row("calls without an answer", lambda r: f"{r.calls.unanswered:,}")
    table.add_section()
    row("text units", lambda r: f"{r.graph.text_units:,}")
    row("entities", lambda r: f"{r.graph.entities:,}")
    row("relationships", lambda r: f"{r.graph.relationships:,}")
    row("community reports", lambda r: f"{r.graph.reports:,}")
    console.print()
    console.print(table)
    for name, result in results.items():
        steps = ", ".join(f"{step} {count:,}" for step, count in result.calls.steps.items())
        console.print(f"[dim]{name}: {steps}[/dim]")
