"""Rows a second into each store, beside the bare driver in a loop in the same run; reads of a large
graph; documents that go out of a large collection. As tables.

A store adds a measure of its own, which gives rates, and a line in `compare_stores`.
"""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import deletion
from benchmarks.graph_reads import FULL as LARGE
from benchmarks.graph_reads import QUICK as SMALL
from benchmarks.graph_reads import measure_graph_reads
from benchmarks.large_graph import Shape
from benchmarks.rates import Rate
from benchmarks.stores_postgres import measure_postgres
from benchmarks.vector_stores import measure_vector_stores, show_vector_rates
from graphmill.embedded.stack import Parts, running_stack
from graphmill.settings import load_settings
from tests.support.corpus import read_passages


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is written, how often; the best round counts. `large`: documents of the collection
    that loses some."""

    documents: int
    vectors: int
    reports: int
    rounds: int
    graph: Shape
    large: int


QUICK = Sizes(documents=30, vectors=4_000, reports=200, rounds=1, graph=SMALL, large=deletion.QUICK)
FULL = Sizes(
    documents=200, vectors=10_000, reports=1_000, rounds=3, graph=LARGE, large=deletion.FULL
)


async def compare_stores(sizes: Sizes, shared: Path, console: Console) -> None:
    """Measure and print."""
    passages = read_passages(shared)
    folder = Path(tempfile.mkdtemp(prefix="graphmill-bench-"))
    settings = load_settings({"home": folder, "temporal_address": None, "database_url": None})
    rates: list[Rate] = []
    try:
        async with running_stack(settings, Parts.POSTGRES) as addresses:
            console.print("[dim]PostgreSQL, and asyncpg in a loop[/dim]")
            rates += await measure_postgres(addresses.database_url, passages, sizes)
            console.print("[dim]Neo4j, and what search reads[/dim]")
            rates += await measure_graph_reads(addresses.database_url, sizes.graph, folder, console)
            console.print("[dim]vectors[/dim]")
            vectors = await measure_vector_stores(addresses.database_url, sizes.vectors)
            show_vector_rates(vectors, console)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _show(rates, console)
    console.print("[dim]a large collection loses documents[/dim]")
    await deletion.measure_deletion(sizes.large, shared, console)


def _show(rates: Sequence[Rate], console: Console) -> None:
    table = Table(title="written, rows a second", title_justify="left", box=None)
    for column in ("", "rows", "by the store", "by the bare driver", "of the bare driver"):
        table.add_column(column, justify="left" if not column else "right")
    for rate in rates:
        table.add_row(
            rate.words,
            f"{rate.rows:,}",
            f"{rate.rows / rate.store:,.0f}",
            f"{rate.rows / rate.bare:,.0f} ({rate.bare_words})",
            f"{rate.bare / rate.store:.2f}",
        )
    console.print()
    console.print(table)
