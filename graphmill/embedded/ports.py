"""TCP ports on loopback: a free one, or a word on who holds the one that is wanted."""

import asyncio
import contextlib
import fcntl
import os
import random
import socket
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import psutil

from graphmill.errors import Unavailable

LOOPBACK = "127.0.0.1"


# Below what Linux (32768) and macOS (49152) give to connections that go out: one of those could
# take a port in the second that a server needs to open it.
_CHOSEN_FROM = range(15_000, 32_000)
_TRIES = 100


def free_port(host: str = LOOPBACK) -> int:
    """A port that nobody listens on now; somebody else may take it before it is used."""
    for port in random.sample(_CHOSEN_FROM, _TRIES):
        if is_free(host, port):
            return port
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as listener:
        listener.bind((host, 0))
        return int(listener.getsockname()[1])


@asynccontextmanager
async def choosing_alone() -> AsyncGenerator[None]:
    """No other stack of this user chooses its ports, and opens them, within the block: it would
    find the same ones free, and one of the two would take the other's servers for its own."""
    path = Path(tempfile.gettempdir()) / f"graphmill-ports-{os.getuid()}.lock"
    try:
        lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:  # somebody else's file, a disk that is full: then by luck, as most times
        yield
        return
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(0.05)
        yield
    finally:
        os.close(lock)


def is_free(host: str, port: int) -> bool:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with closing(socket.socket(family, kind, protocol)) as listener:
        # As the servers do; without it a port would look taken for a minute after its last use.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError:
            return False
    return True


def choose_port(host: str, wanted: int, setting: str, or_any: bool = False) -> int:
    """The wanted port; any free one for 0, or, with or_any, where the wanted one is taken.

    Raises:
        Unavailable: it is taken; names the port, the setting and the process that holds it.
    """
    if wanted == 0:
        return free_port(host)
    if is_free(host, wanted):
        return wanted
    if or_any:
        return free_port(host)
    raise Unavailable(
        f"port {wanted} on {host} ({setting}) is taken by {_holder(wanted)}; stop that, or set"
        f" {setting} to another port, or to 0 for any free one"
    )


def _holder(port: int) -> str:
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status != psutil.CONN_LISTEN or connection.pid is None:
                continue
            if connection.laddr and connection.laddr.port == port:
                process = psutil.Process(connection.pid)
                # Two words: enough to know it by, and arguments may hold secrets.
                words = " ".join(process.cmdline()[:2]) or process.name()
                return f"process {process.pid} ({words})"
    return "another process"
