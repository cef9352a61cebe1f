"""The most memory that some processes have at any time."""

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import psutil

_LOOK_SECONDS = 0.05


class PeakMemory:
    """Resident bytes of what `find` gives and of all that it started, looked at 20 times a second
    for the time of a block; where they died, they are looked for again."""

    def __init__(self, find: Callable[[], Sequence[psutil.Process]]) -> None:
        self.bytes = 0
        self.looks = 0
        self._find = find
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        processes: Sequence[psutil.Process] = ()
        while not self._over.is_set():
            began = time.monotonic()
            try:
                processes = processes or self._find()
                self.bytes = max(self.bytes, sum(map(_resident, processes)))
                self.looks += bool(processes)
            except psutil.Error:
                processes = ()
            self._over.wait(max(0.0, _LOOK_SECONDS - (time.monotonic() - began)))


def _resident(process: psutil.Process) -> int:
    family = (process, *process.children(recursive=True))
    return sum(one.memory_info().rss for one in family)
