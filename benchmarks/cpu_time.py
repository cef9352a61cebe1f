"""CPU seconds by kind of process, sampled: who works while a run runs."""

import threading
import time
from collections.abc import Sequence
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
    "store and embedding worker",
    "other",
)
_INTERVAL = 0.25


@dataclass(frozen=True, slots=True)
class CpuSample:
    """`seconds` of CPU by kind since the sampler began; `machine` of all cores, of which `busy`."""

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


@dataclass(slots=True)
class _Seen:
    kind: str
    first: float
    last: float


class CpuSampler:
    """Reads a stack's processes four times a second, those that come and go meanwhile too."""

    def __init__(self, home: Path) -> None:
        self._home = home.resolve()
        self._seen: dict[tuple[int, float], _Seen] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample_on, daemon=True)

    def __enter__(self) -> "CpuSampler":
        self._look(fresh_from_zero=False)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def sample(self) -> CpuSample:
        self._look()
        seconds = dict.fromkeys(KINDS, 0.0)
        with self._lock:
            for seen in self._seen.values():
                seconds[seen.kind] += seen.last - seen.first
        times = psutil.cpu_times()
        total = sum(times) - getattr(times, "guest", 0) - getattr(times, "guest_nice", 0)
        busy = total - times.idle - getattr(times, "iowait", 0)
        return CpuSample(time.monotonic(), seconds, total, busy)

    def _sample_on(self) -> None:
        while not self._ended.wait(_INTERVAL):
            self._look()

    def _look(self, *, fresh_from_zero: bool = True) -> None:
        for root in processes.marked(self._home):
            kind = _kind(root)
            for process, its_kind in [(root, kind), *_family(root, kind)]:
                try:
                    identity = (process.pid, process.create_time())
                    times = process.cpu_times()
                except psutil.Error:
                    continue
                spent = times.user + times.system
                with self._lock:
                    seen = self._seen.get(identity)
                    if seen is None:
                        first = 0.0 if fresh_from_zero else spent
                        self._seen[identity] = _Seen(its_kind, first, spent)
                    else:
                        seen.last = spent


def _family(root: psutil.Process, kind: str) -> Sequence[tuple[psutil.Process, str]]:
    inner = "cpu worker's pool" if kind == "cpu worker" else kind
    try:
        return [(child, inner) for child in root.children(recursive=True)]
    except psutil.Error:
        return []


def _kind(process: psutil.Process) -> str:
    try:
        words = process.cmdline()
        if process.name() == "postgres":
            return "PostgreSQL"
        parents = [parent.cmdline()[-2:] for parent in process.parents()]
    except psutil.Error:
        return "other"
    if ["workers", "cpu"] in parents:
        return "cpu worker's pool"
    match words[-2:]:
        case ["workers", "cpu"]:
            return "cpu worker"
        case ["workers", "workflow"]:
            return "workflow worker"
        case [*_, "store"]:
            return "store and embedding worker"
        case _:
            return "Temporal server" if "start-dev" in words else "other"
