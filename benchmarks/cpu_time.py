"""CPU seconds by kind of process: who works while a run runs.

Nothing is read while it runs: what a process leaves behind when it ends is in its parent's account.
"""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from graphmill.embedded import processes

KINDS: tuple[str, ...] = (
    "Temporal server",
    "workflow worker",
    "cpu worker",
    "cpu worker's pool",
    "PostgreSQL",
    "llm, embedding and store worker",
    "other",
)


@dataclass(frozen=True, slots=True)
class CpuSample:
    """`seconds` of CPU by kind since the stack started; `machine` of all cores, of which `busy`."""

    wall: float
    seconds: dict[str, float]
    machine: float
    busy: float

    def since(self, earlier: "CpuSample") -> "CpuSample":
        return CpuSample(
            self.wall - earlier.wall,
            {kind: self.seconds[kind] - earlier.seconds[kind] for kind in KINDS},
            self.machine - earlier.machine,
            self.busy - earlier.busy,
        )


def sample_cpu(home: Path) -> CpuSample:
    """What the stack of this home has used so far, without what was killed and started again."""
    seconds = dict.fromkeys(KINDS, 0.0)
    for process in _family(home):
        try:
            kind = _kind(process)
            times = process.cpu_times()
        except psutil.Error:
            continue
        seconds[kind] += times.user + times.system
        ended = "cpu worker's pool" if kind == "cpu worker" else kind
        seconds[ended] += times.children_user + times.children_system
    times = psutil.cpu_times()
    total = sum(times) - getattr(times, "guest", 0) - getattr(times, "guest_nice", 0)
    busy = total - times.idle - getattr(times, "iowait", 0)
    return CpuSample(time.monotonic(), seconds, total, busy)


def _family(home: Path) -> set[psutil.Process]:
    found: set[psutil.Process] = set()
    for process in processes.marked(home.resolve()):
        # PostgreSQL's processes write their titles over the mark.
        with contextlib.suppress(psutil.Error):
            found |= {process, *process.children(recursive=True)}
    return found


def _kind(process: psutil.Process) -> str:
    words = process.cmdline()
    if process.name() == "postgres":
        return "PostgreSQL"
    if ["workers", "cpu"] in [parent.cmdline()[-2:] for parent in process.parents()]:
        return "cpu worker's pool"
    match words[-2:]:
        case ["workers", "cpu"]:
            return "cpu worker"
        case ["workers", "workflow"]:
            return "workflow worker"
        case [*_, "store"]:
            return "llm, embedding and store worker"
        case _:
            return "Temporal server" if "start-dev" in words else "other"
