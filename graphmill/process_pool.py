"""A pool of processes for asyncio in which any process may be killed at any time.

Each process has a socket of its own and works on one task, so that killing it (time-out,
cancellation, a crash, the kernel) touches that task alone. docs/decisions/process-pool.md says why
not an existing pool.
"""

import asyncio
import atexit
import contextlib
import multiprocessing
import pickle
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import TypeVar, TypeVarTuple, cast

from graphmill.errors import PermanentError, TransientError
from graphmill.process_child import HEADER, ChildSettings, Frame, TaskFailed, serve

__all__ = [
    "PoolClosed",
    "ProcessDied",
    "ProcessPool",
    "TaskFailed",
    "TaskTimedOut",
    "TaskTooLarge",
]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# Tries with a fresh process when the one at hand turns out to have died while it was idle.
_ATTEMPTS = 3
_READY_SECONDS = 60.0
_EXIT_SECONDS = 5.0
# Bytes of an answer that the event loop may stop for.
_QUICKLY_LOADED = 100_000

# multiprocessing's table of children and its fork server are one per process and not thread-safe.
_start_lock = threading.Lock()
# What that fork server is to load: of all pools, since it forgets the one list for the next.
_preloaded: dict[str, None] = {}


class TaskTimedOut(PermanentError):
    """The task took longer than its time; its process was killed."""


class TaskTooLarge(PermanentError):
    """The task asked for more memory than a process may have."""


class ProcessDied(TransientError):
    """The process ended in the middle of the task: a crash, a kill, or out of memory."""

    def __init__(self, exit_code: int | None) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"the process that worked on this {_describe(self.exit_code)}"


class PoolClosed(TransientError):
    """The pool takes no more tasks: its worker is shutting down."""


class ProcessPool:
    """Runs functions in child processes that are limited in memory and recycled.

    Belongs to one event loop. Processes start when they are first needed (or all at once by
    `start`), from multiprocessing's fork server, so that no process with threads is ever forked.

    Args:
        max_workers: processes, and so tasks at a time; more wait their turn in order.
        tasks_per_process: after that many tasks a process is replaced, so that leaks stay small.
        memory_bytes: address space of each process.
        preload: modules that the fork server imports once and its children are born with. They must
            not start threads. Those of pools that are made once it runs are imported in the child.
        initializer: called in each new process before its first task (a module-level function).
    """

    def __init__(
        self,
        max_workers: int,
        tasks_per_process: int,
        memory_bytes: int,
        *,
        preload: Sequence[str] = (),
        initializer: Callable[[], object] | None = None,
    ) -> None:
        self._max_workers = max_workers
        self._tasks_per_process = tasks_per_process
        self._settings = ChildSettings(memory_bytes, tuple(preload), initializer)
        self._context = multiprocessing.get_context("forkserver")
        # "__main__" is what the fork server loads by itself: without it each child would do so.
        _preloaded.update(dict.fromkeys(preload))
        self._context.set_forkserver_preload(
            ["graphmill.process_nursery", "graphmill.process_child", "__main__", *_preloaded]
        )
        self._slots = asyncio.Semaphore(max_workers)
        self._idle: list[_Child] = []
        self._children: set[_Child] = set()
        self._closed = False  # takes no more tasks
        self._terminated = False  # nor finishes those it has
        # multiprocessing ends what is left with SIGTERM, which children ignore, and then waits for
        # ever; registered later than its own handler, this one runs before it.
        atexit.register(self._kill_all)

    @property
    def process_ids(self) -> tuple[int, ...]:
        """Of the processes that live now, ascending."""
        return tuple(sorted(child.process_id for child in self._children))

    async def start(self) -> None:
        """Start all processes now, so that the first tasks need not wait and a bad preload is seen.

        Raises:
            ProcessDied: a process ended before it was ready.
        """
        missing = self._max_workers - len(self._children)
        self._idle.extend(await asyncio.gather(*(self._start_child() for _ in range(missing))))

    async def run(self, function: Callable[[*Ts], T], /, *args: *Ts, timeout_seconds: float) -> T:
        """Call a module-level function in a child process and return what it returns.

        The time runs from when a process takes the task, not while it waits for one. Cancelling the
        awaiting task kills the process.

        Raises:
            TaskTimedOut: it took too long.
            TaskTooLarge: it raised MemoryError.
            ProcessDied: the process ended during the task, by SystemExit too.
            PoolClosed: `close` or `terminate` was called.
            TaskFailed: it raised something that cannot be pickled.
            Exception: whatever else the function raised.
        """
        if self._closed:
            raise PoolClosed("the process pool is closed; the task may be given to another worker")
        async with self._slots:
            # In a thread: a graph of millions of relationships takes longer than heartbeats wait.
            request = await asyncio.to_thread(pickle.dumps, (function, args), protocol=5)
            frame, payload = await self._ask(request, timeout_seconds)
            del request
        if frame is Frame.TOO_LARGE:
            megabytes = self._settings.memory_bytes // 1_000_000
            raise TaskTooLarge(f"more than {megabytes:,} MB of memory would be needed")
        if len(payload) < _QUICKLY_LOADED:
            answer = pickle.loads(payload)
        else:
            answer = await asyncio.to_thread(pickle.loads, payload)
        if frame is Frame.ERROR:
            raise cast(Exception, answer)
        return cast(T, answer)

    async def close(self) -> None:
        """Take no more tasks, let those that were taken end, then end all processes."""
        self._closed = True
        for _ in range(self._max_workers):  # the semaphore is fair: whoever waits goes first
            await self._slots.acquire()
        children = tuple(self._children)
        for child in children:
            self._retire(child)
        await asyncio.gather(*(child.wait() for child in children))
        await self.terminate()
        for _ in range(self._max_workers):
            self._slots.release()

    async def terminate(self) -> None:
        """Kill all processes at once; running tasks raise ProcessDied."""
        self._closed = self._terminated = True
        children = tuple(self._children)
        self._kill_all()
        atexit.unregister(self._kill_all)
        await asyncio.gather(*(child.wait() for child in children))

    async def _ask(self, request: bytes, timeout_seconds: float) -> "tuple[Frame, bytes]":
        for attempt in range(_ATTEMPTS):
            child = await self._take_child()
            try:
                async with asyncio.timeout(timeout_seconds):
                    frame, payload = await child.ask(request)
            except TimeoutError:
                self._kill(child)
                raise TaskTimedOut(
                    f"the work took longer than {timeout_seconds:g} seconds and was stopped"
                ) from None
            except (EOFError, ConnectionError):
                self._kill(child)
                if not child.started_task and attempt < _ATTEMPTS - 1 and not self._terminated:
                    continue  # it had died while idle: nothing of this task was done
                raise ProcessDied(await child.wait()) from None
            except BaseException:  # cancelled: nobody waits for the answer
                self._kill(child)
                raise
            self._give_back(child, reusable=frame is not Frame.TOO_LARGE)
            return frame, payload
        raise AssertionError("the last attempt returns or raises")

    async def _take_child(self) -> "_Child":
        while self._idle:
            child = self._idle.pop()
            if child.process.is_alive():
                return child
            self._kill(child)
        return await self._start_child()

    def _give_back(self, child: "_Child", reusable: bool) -> None:
        if not reusable or self._terminated or child.tasks >= self._tasks_per_process:
            self._retire(child)
        else:
            self._idle.append(child)

    async def _start_child(self) -> "_Child":
        ours, theirs = socket.socketpair()
        process = self._context.Process(target=serve, args=(theirs, self._settings), daemon=True)

        def start() -> None:
            # Closed here and not by the awaiting side, which may be cancelled in the middle of the
            # start: the descriptor's number must not go to somebody else before it is passed on.
            with _start_lock, theirs:
                process.start()

        try:
            await asyncio.to_thread(start)
            reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 20)
        except BaseException:
            ours.close()  # a child that comes to life after this sees the end and goes
            raise
        child = _Child(process, reader, writer)
        self._children.add(child)
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await child.receive()
        except (EOFError, ConnectionError, TimeoutError):
            self._kill(child)
            raise ProcessDied(await child.wait()) from None
        except BaseException:
            self._kill(child)
            raise
        if self._terminated:  # it came in between and did not see this one
            self._kill(child)
            raise PoolClosed("the process pool was closed")
        return child

    def _retire(self, child: "_Child") -> None:
        """Let an idle process end by itself: it sees the closed connection."""
        self._forget(child)
        child.writer.close()

    def _kill(self, child: "_Child") -> None:
        self._forget(child)
        child.kill()

    def _forget(self, child: "_Child") -> None:
        self._children.discard(child)
        with contextlib.suppress(ValueError):
            self._idle.remove(child)

    def _kill_all(self) -> None:
        for child in tuple(self._children):
            self._kill(child)


@dataclass(eq=False, slots=True)
class _Child:
    """A process and the connection to it."""

    process: BaseProcess
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    tasks: int = 0
    started_task: bool = False

    @property
    def process_id(self) -> int:
        return self.process.pid or 0

    async def ask(self, request: bytes) -> tuple[Frame, bytes]:
        self.tasks += 1
        self.started_task = False
        self.writer.write(HEADER.pack(Frame.REQUEST, len(request)))
        self.writer.write(request)
        await self.writer.drain()
        await self.receive()
        self.started_task = True
        return await self.receive()

    async def receive(self) -> tuple[Frame, bytes]:
        """Raises: EOFError (IncompleteReadError) or ConnectionError when the process has ended."""
        kind, size = HEADER.unpack(await self.reader.readexactly(HEADER.size))
        return Frame(kind), await self.reader.readexactly(size) if size else b""

    def kill(self) -> None:
        if self.process.is_alive():  # asks first: the id of one that ended may belong to another
            self.process.kill()
        # abort, not close: a request that is still being written is dropped
        with contextlib.suppress(RuntimeError):  # at exit the event loop may be closed already
            self.writer.transport.abort()

    async def wait(self) -> int | None:
        """The exit code, negative for a signal; kills a process that does not end in time."""
        await asyncio.to_thread(self.process.join, _EXIT_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            await asyncio.to_thread(self.process.join, _EXIT_SECONDS)
        return self.process.exitcode


def _describe(exit_code: int | None) -> str:
    if exit_code is None:
        return "went away"
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        return f"was ended by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"was ended by signal {-exit_code}"
