"""Ends what a killed supervisor left running in a home, before anything is started there again."""

import signal
import time
from pathlib import Path

import psutil

from graphmill.embedded import processes
from graphmill.embedded.home import Home
from graphmill.errors import Unavailable

_FAST_SHUTDOWN_SECONDS = 10.0
_IMMEDIATE_SHUTDOWN_SECONDS = 5.0


def end_leftovers(home: Home) -> int:
    """End every process of an earlier stack of this home; returns how many there were.

    Workers and the Temporal server are killed: they are made for it, and may wait for a server
    that is gone. PostgreSQL gets its time to write a checkpoint.

    Raises:
        Unavailable: one cannot be ended.
    """
    found = [process for process in processes.marked(home.path) if not _is_postgres(process)]
    _insist(processes.kill(found), home.path)
    return len(found) + end_postgres(home.postgres) + end_postgres(home.postgres_building)


def end_postgres(data: Path) -> int:
    """End whatever runs over a PostgreSQL data folder and remove its pid file; returns how many.

    A process counts by its working folder, which PostgreSQL makes its data folder, not by the
    number in postmaster.pid: that may be a zombie's, or by now somebody else's.

    Raises:
        Unavailable: one cannot be ended.
    """
    running = _running_in(data)
    postmaster = _written_pid(data)
    for process in running:
        if process.pid == postmaster:
            _shut_down(process)
    # Backends of a dead postmaster: while one lives, a new server must not touch the files.
    _insist(processes.kill(_running_in(data)), data)
    (data / "postmaster.pid").unlink(missing_ok=True)
    return len(running)


def _insist(survivors: list[psutil.Process], folder: Path) -> None:
    if survivors:
        raise Unavailable(
            f"process {survivors[0].pid}, left by an earlier run in {folder}, cannot be ended: it"
            " waits for the disk, is traced, or is another user's. End it and start again"
        )


def _is_postgres(process: psutil.Process) -> bool:
    try:
        return process.name() == "postgres"
    except psutil.Error:
        return False


def _written_pid(data: Path) -> int | None:
    try:
        return int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _running_in(data: Path) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    if not data.exists():
        return found
    folder = str(data.resolve())
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and process.cwd() == folder:
                found.append(process)
        except (psutil.Error, OSError):  # gone, or a zombie: it has no working folder
            continue
    return found


def _shut_down(postmaster: psutil.Process) -> None:
    for number, seconds in (
        (signal.SIGINT, _FAST_SHUTDOWN_SECONDS),
        (signal.SIGQUIT, _IMMEDIATE_SHUTDOWN_SECONDS),
    ):
        try:
            postmaster.send_signal(number)
        except psutil.NoSuchProcess:
            return
        deadline = time.monotonic() + seconds
        while processes.is_alive(postmaster.pid):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        else:
            return
