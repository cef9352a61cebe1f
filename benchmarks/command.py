"""The benchmark's command: which parts are measured."""

import argparse
import logging
import os
from enum import StrEnum
from pathlib import Path

import uvloop
from rich.console import Console

from benchmarks import http, stores
from benchmarks.fast import FULL, QUICK, compare_fast
from benchmarks.peers.comparison import DOCUMENTS, QUICK_DOCUMENTS, compare_peers
from benchmarks.standard import compare_standard

_ROOT = Path(__file__).resolve().parent.parent


class Part(StrEnum):
    FAST = "fast"
    STANDARD = "standard"
    PEERS = "peers"
    STORES = "stores"
    HTTP = "http"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small version")
    parser.add_argument(
        "--only", type=Part, choices=list(Part), help="this part (all but peers if not given)"
    )
    parser.add_argument(
        "--peers", action="store_true", help="then LightRAG and GraphRAG beside method standard"
    )
    given = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    console = Console(highlight=False, width=120)
    shared = _ROOT.parent / "shared"
    if not shared.is_dir():
        console.print(f"{shared} is not here: the corpus is needed for the benchmark")
        raise SystemExit(2)
    parts = {given.only} if given.only else {Part.FAST, Part.STANDARD, Part.STORES, Part.HTTP}
    if given.peers:
        parts.add(Part.PEERS)
    # As workers do; bare loops too.
    uvloop.run(_compare(parts, shared, console, quick=given.quick))


async def _compare(parts: set[Part], shared: Path, console: Console, *, quick: bool) -> None:
    load = os.getloadavg()[0]
    console.print(f"{os.cpu_count() or 1} cores; load before the start {load:.1f}")
    if load > 0.5:
        console.print("  something else runs on this machine: the figures are too low")
    if Part.FAST in parts:
        await compare_fast(QUICK if quick else FULL, shared, console)
    if Part.STANDARD in parts:
        await compare_standard(shared, console, 1 if quick else 3)
    if Part.STORES in parts:
        await stores.compare_stores(stores.QUICK if quick else stores.FULL, shared, console)
    if Part.HTTP in parts:
        await http.compare_http(http.QUICK if quick else http.FULL, shared, console)
    if Part.PEERS in parts:
        await compare_peers(shared, console, documents=QUICK_DOCUMENTS if quick else DOCUMENTS)
