"""CPU seconds by kind of process: who works while a run runs.

Nothing is read while it runs: what a process leaves behind when it ends is in its parent's account.
"""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from graphmill.embedded import processes
from graphmill.roles import ON_ONE_MACHINE

_CPU_WORKER = "worker-cpu"
_POOL = f"pool of {_CPU_WORKER}"
_ROLES: dict[tuple[str, ...], str] = {
    ("workers", *map(str, roles)): name for name, roles in ON_ONE_MACHINE.items()
}
KINDS: tuple[str, ...] = (
    "Temporal server",
    *ON_ONE_MACHINE,
    _POOL,
    "PostgreSQL",
    "API",
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
        ended = _POOL if kind == _CPU_WORKER else kind
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
    if "start-dev" in words:
        return "Temporal server"
    if any(_worker(parent.cmdline()) == _CPU_WORKER for parent in process.parents()):
        return _POOL
    if words[-2:] == ["-m", "api"]:
        return "API"
    return _worker(words) or "other"


def _worker(words: list[str]) -> str | None:
    """Which of those that `graphmill up` runs."""
    if "workers" not in words:
        return None
    return _ROLES.get(tuple(words[words.index("workers") :]))
