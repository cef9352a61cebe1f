"""Keeps parts (servers, workers, API) running as child processes, and ends them in order."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from graphmill.embedded import processes
from graphmill.embedded.home import Home
from graphmill.errors import Unavailable

_QUICK_SECONDS = 5.0
_QUICK_DEATHS = 5
_BACKOFF_SECONDS = (0.0, 0.5, 1.0, 2.0, 4.0)
_READY_SECONDS = 60.0
_READY_INTERVAL = 0.05
_TAIL_LINES = 5
_LINE_CHARACTERS = 300


def _nothing() -> None:
    """A part that needs no preparation."""


async def _at_once() -> bool:
    """A part that counts as ready when it runs."""
    return True


@dataclass(frozen=True, slots=True)
class Part:
    """A process to keep running.

    prepare runs, in a thread, before every start; ready is asked until it says yes. The stop signal
    goes to the process alone, so that it can end its own children; after stop_seconds its whole
    group is killed.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    folder: Path | None = None
    prepare: Callable[[], None] = _nothing
    ready: Callable[[], Awaitable[bool]] = _at_once
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 5.0


class PartFailed(Unavailable):
    """A part does not start, or dies again and again."""


class Supervisor:
    """Runs parts from entering to leaving its context; what is left then is stopped all at once.

    on_event gets a line for people on every death, restart and forced end.
    """

    def __init__(self, home: Home, on_event: Callable[[str], None]) -> None:
        self._home = home
        self._on_event = on_event
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._running: dict[str, tuple[Part, Process]] = {}
        self._stopping: set[str] = set()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._guardian: Process | None = None

    async def __aenter__(self) -> Self:
        # Its standard input is a pipe that only we hold open: when we die it sees the end of it.
        self._guardian = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "graphmill.embedded.guardian", str(self._home.path)),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=self._environment({}),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop(tuple(self._tasks))
        if self._failure.done():
            self._failure.exception()  # so that asyncio does not report it as never seen
        if self._guardian is not None and self._guardian.stdin is not None:
            self._guardian.stdin.close()
            await self._guardian.wait()

    async def start(self, *parts: Part) -> None:
        """Start parts side by side and wait until all are ready.

        Raises:
            PartFailed: one ended before it was ready; with the last lines of its log.
        """
        ready: list[asyncio.Future[None]] = []
        for part in parts:
            future = asyncio.get_running_loop().create_future()
            ready.append(future)
            self._tasks[part.name] = asyncio.create_task(self._keep(part, future))
        await asyncio.gather(*ready)

    async def failed(self) -> None:
        """Wait until a part is given up.

        Raises:
            PartFailed: always, in the end.
        """
        await asyncio.shield(self._failure)

    async def stop(self, names: Iterable[str]) -> None:
        """End parts side by side: each by its signal, then by force when its time is over."""
        await asyncio.gather(*(self._stop(name) for name in names if name in self._tasks))

    def pid(self, name: str) -> int:
        """The process of a running part, which leads its group.

        Raises:
            KeyError: it does not run now.
        """
        return self._running[name][1].pid

    def kill(self) -> None:
        """Kill all parts now; whoever waits in stop() goes on."""
        self._stopping.update(self._tasks)
        for _, process in self._running.values():
            processes.signal_group(process.pid, signal.SIGKILL)

    async def _stop(self, name: str) -> None:
        self._stopping.add(name)
        task = self._tasks[name]
        part_and_process = self._running.get(name)
        if part_and_process is None:  # between two lives, or not begun
            task.cancel()
            await asyncio.wait((task,))
        else:
            part, process = part_and_process
            _send(process, part.stop_signal)
            _, unfinished = await asyncio.wait((task,), timeout=part.stop_seconds)
            if unfinished:
                self._on_event(f"{name} did not end in {part.stop_seconds:g} s: killed")
                processes.signal_group(process.pid, signal.SIGKILL)
                await asyncio.wait((task,))
        self._tasks.pop(name, None)

    async def _keep(self, part: Part, ready: asyncio.Future[None]) -> None:
        quick_deaths = 0
        while True:
            began = time.monotonic()
            try:
                ending = await self._live_once(part, ready)
            except Exception as error:  # preparation failed: say so where the part is waited for
                ending = str(error)
                if not ready.done():
                    ready.set_exception(error)
                    return
            if part.name in self._stopping:
                if not ready.done():
                    ready.set_exception(PartFailed(f"{part.name} was stopped while it started"))
                return
            if not ready.done():
                ready.set_exception(PartFailed(self._report(part, f"does not start: {ending}")))
                return
            quick_deaths = quick_deaths + 1 if time.monotonic() - began < _QUICK_SECONDS else 0
            if quick_deaths >= _QUICK_DEATHS:
                message = self._report(part, f"died {quick_deaths} times in a row: {ending}")
                self._on_event(message)
                if not self._failure.done():
                    self._failure.set_exception(PartFailed(message))
                return
            self._on_event(self._report(part, f"died ({ending}); starting it again"))
            await asyncio.sleep(_BACKOFF_SECONDS[quick_deaths])

    async def _live_once(self, part: Part, ready: asyncio.Future[None]) -> str:
        """One life of a part, from its start to its end; returns how it ended."""
        await asyncio.to_thread(part.prepare)
        with await asyncio.to_thread(self._home.open_log, part.name) as log:
            process = await asyncio.create_subprocess_exec(
                *part.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=part.folder,
                env=self._environment(part.environment),
            )
        self._running[part.name] = (part, process)
        ended = asyncio.create_task(process.wait())
        try:
            if part.name in self._stopping:
                _send(process, part.stop_signal)
            answer = await self._until_ready(part, ended)
            if answer is not None:
                processes.signal_group(process.pid, signal.SIGKILL)
                await ended
                return answer
            if not ended.done() and not ready.done():
                ready.set_result(None)
            return _ending(await ended)
        finally:
            # Also when cancelled: its group must not outlive our interest in it.
            processes.signal_group(process.pid, signal.SIGKILL)
            self._running.pop(part.name, None)

    async def _until_ready(self, part: Part, ended: "asyncio.Task[int]") -> str | None:
        deadline = time.monotonic() + _READY_SECONDS
        while not ended.done():
            if await part.ready():
                return None
            if time.monotonic() > deadline:
                return f"not ready after {_READY_SECONDS:g} s"
            await asyncio.wait((ended,), timeout=_READY_INTERVAL)
        return None

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        return {**os.environ, **more, processes.MARK: str(self._home.path)}

    def _report(self, part: Part, what: str) -> str:
        path = self._home.log(part.name)
        lines = _tail(path)
        quoted = "".join(f"\n    {line}" for line in lines)
        return f"{part.name} {what}; its log is {path}{', ending:' if lines else ''}{quoted}"


def _send(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 4000))
            lines = file.read().decode(errors="replace").splitlines()
            return [line[:_LINE_CHARACTERS] for line in lines[-_TAIL_LINES:]]
    except OSError:
        return []
