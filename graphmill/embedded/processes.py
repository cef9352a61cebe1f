"""Child processes: known by a mark in their environment; a zombie counts as dead."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

# Inherited by whatever a part starts, so that nothing of a stack is lost from sight when its
# supervisor is killed, in whichever instant.
MARK = "GRAPHMILL_SUPERVISED_FROM"


def is_alive(pid: int) -> bool:
    """Whether the process runs. A zombie does not, even where nobody ever reaps it."""
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to the process group that pid leads; nothing where it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def marked(home: Path) -> list[psutil.Process]:
    """Every live process that a supervisor of this home started, however deep."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if (
                process.pid != os.getpid()
                and process.environ().get(MARK) == str(home)
                and is_alive(process.pid)
            ):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def kill(processes: Iterable[psutil.Process], seconds: float = 5) -> list[psutil.Process]:
    """Kill and wait until they are gone; returns those that would not go."""
    doomed = list(processes)
    for process in doomed:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    # Not psutil.wait_procs: a zombie that nobody reaps would be waited for in vain.
    return [process for process in doomed if not _gone(process.pid, seconds)]


def _gone(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
