"""What runs inside a process of the pool: take a request, call it, answer; end with the parent.

Wire format, both ways, over one stream socket: a frame is one byte (what it is), eight bytes
(length, little-endian) and that many bytes of pickle.
"""

import contextlib
import ctypes
import gc
import importlib
import os
import pickle
import resource
import select
import signal
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from graphmill.errors import GraphmillError

HEADER = struct.Struct("<BQ")

# Written files (there should be none) stay under this: a parser gone wild must not fill the disk.
_FILE_BYTES = 64_000_000
_PR_SET_PDEATHSIG = 1


class Frame(IntEnum):
    """READY, STARTED and TOO_LARGE are empty; REQUEST, RESULT and ERROR carry a pickle."""

    READY = 0
    REQUEST = 1
    STARTED = 2
    RESULT = 3
    ERROR = 4
    TOO_LARGE = 5


class TaskFailed(GraphmillError):
    """The function raised an error that cannot be pickled; the message names its type."""


@dataclass(frozen=True, slots=True)
class ChildSettings:
    """`preload`: modules imported before the first task; `initializer`: called once after them."""

    memory_bytes: int
    preload: tuple[str, ...]
    initializer: Callable[[], object] | None


def serve(connection: socket.socket, settings: ChildSettings) -> None:
    """Answer requests until the parent closes the connection or dies."""
    # Ctrl-C and a supervisor's SIGTERM reach the whole process group: the parent drains, we go on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_with_parent(connection)
    _limit_resources(settings.memory_bytes)
    for module in settings.preload:
        importlib.import_module(module)
    if settings.initializer is not None:
        settings.initializer()
    gc.freeze()  # what is loaded now lives as long as the process: collections need not visit it
    with contextlib.suppress(ConnectionError):  # the parent went away: nobody to answer
        _send(connection, Frame.READY)
        while (request := _receive(connection)) is not None:
            _send(connection, Frame.STARTED)
            frame, answer = _call(request)
            del request
            _send(connection, frame, answer)
            if frame is Frame.TOO_LARGE:
                return  # what is left of this heap is not to be trusted with the next task


def _call(request: bytearray) -> tuple[Frame, bytes]:
    try:
        function, args = pickle.loads(request)
        return Frame.RESULT, pickle.dumps(function(*args), protocol=5)
    except MemoryError:
        return Frame.TOO_LARGE, b""
    except Exception as error:  # SystemExit and KeyboardInterrupt end the process: ProcessDied
        return Frame.ERROR, _pickled_error(error)


def _pickled_error(error: Exception) -> bytes:
    if not isinstance(error, GraphmillError):
        # Frames only: the error's own text, which may quote a document, stays in its arguments.
        frames = "".join(traceback.format_tb(error.__traceback__))
        error.add_note(f"in the child process:\n{frames}")
    try:
        pickled = pickle.dumps(error, protocol=5)
        pickle.loads(pickled)  # many exceptions pickle but cannot be made again from their args
    except Exception:
        kind = type(error)
        pickled = pickle.dumps(TaskFailed(f"{kind.__module__}.{kind.__qualname__} was raised"))
    return pickled


def _send(connection: socket.socket, frame: Frame, payload: bytes = b"") -> None:
    header = HEADER.pack(frame, len(payload))
    if len(payload) < 65_536:
        connection.sendall(header + payload)
    else:  # do not copy what is large
        connection.sendall(header)
        connection.sendall(payload)


def _receive(connection: socket.socket) -> bytearray | None:
    header = _read(connection, HEADER.size)
    return None if header is None else _read(connection, HEADER.unpack(header)[1])


def _read(connection: socket.socket, size: int) -> bytearray | None:
    """Exactly `size` bytes, or None at the end of the stream."""
    data = bytearray(size)
    view, filled = memoryview(data), 0
    while filled < size:
        count = connection.recv_into(view[filled:])
        if count == 0:
            return None
        filled += count
    return data


def _end_with_parent(connection: socket.socket) -> None:
    """Die when the pool's process dies, even by kill -9 and in the middle of a task.

    Two nets: the kernel kills us when the fork server ends, which ends with the pool's process
    (works while a C library holds the GIL; Linux only), and a thread that sees the hang-up.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    def watch() -> None:
        poll = select.poll()
        poll.register(connection, 0)  # no events asked for: hang-up and error are always told
        poll.poll()
        os._exit(0)

    threading.Thread(target=watch, daemon=True, name="end-with-parent").start()


def _limit_resources(memory_bytes: int) -> None:
    limits: Sequence[tuple[int, int]] = (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, _FILE_BYTES),
    )
    for kind, wanted in limits:
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(kind, (value, value))
        except ValueError:
            if sys.platform == "linux":
                raise
            # macOS refuses RLIMIT_AS below what is mapped; the time limit still holds there
