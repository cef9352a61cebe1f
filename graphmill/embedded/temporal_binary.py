"""Finds or gets the `temporal` program, whose `server start-dev` is the embedded server."""

import asyncio
import fcntl
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import cast

from graphmill.embedded import processes
from graphmill.embedded.home import Home
from graphmill.errors import Unavailable

GO_MODULE = "github.com/temporalio/cli/cmd/temporal@v1.5.1"
# Priority and fairness of task queues; the settings in temporal_server.py mean nothing before it.
OLDEST_SERVER = (1, 29)
_DOWNLOAD_SECONDS = 60.0
_BUILD_SECONDS = 1800.0
_REPORT_SECONDS = 30.0

_Getter = Callable[[Path, Home, Callable[[str], None]], Coroutine[None, None, Path]]


async def find_or_get(home: Home, on_event: Callable[[str], None]) -> Path:
    """The program on PATH, in the home, in the user's cache, downloaded by the SDK, or built by Go.

    What is downloaded or built goes to the cache, so that the next home finds it.

    Raises:
        Unavailable: names every way and what each needs.
    """
    refused: list[str] = []
    on_path = shutil.which("temporal")
    cached = _cache() / "temporal"
    for place, path in (
        ("on PATH", Path(on_path) if on_path else None),
        ("in GRAPHMILL_HOME", home.binaries / "temporal"),
        ("in the cache", cached),
    ):
        if path is None or not path.exists():
            refused.append(f"{place}: no `temporal`{'' if path is None else f' at {path}'}")
            continue
        problem = await _problem(path)
        if problem is None:
            return path
        on_event(f"temporal {place} is not used: {problem}")
        refused.append(f"{place}: {problem}")
    for way, get in (("the SDK's download", _download), ("go install", _build)):
        try:
            await _once(cached, get, home, on_event)
        except Unavailable as error:
            refused.append(f"{way}: {error}")
            continue
        problem = await _problem(cached)
        if problem is None:
            return cached
        refused.append(f"{way}: {problem}")
    oldest = ".".join(map(str, OLDEST_SERVER))
    raise Unavailable(
        "no Temporal server can be had. Tried:\n  - "
        + "\n  - ".join(refused)
        + "\nAny one of these helps: set TEMPORAL_ADDRESS to a running server; put the Temporal CLI"
        f" with server {oldest} or newer on PATH or at {home.binaries / 'temporal'}; allow HTTPS to"
        " temporal.download; install Go 1.24 or newer with access to a Go module proxy"
    )


async def _problem(path: Path) -> str | None:
    """Why a program cannot serve, or None."""
    try:
        code, output = await _run((str(path), "--version"), {}, 20)
    except (OSError, TimeoutError) as error:
        return f"{path} does not run ({error or 'no answer in 20 s'})"
    found = re.search(r"Server (\d+)\.(\d+)", output)
    if code != 0 or found is None:
        return f"{path} is not the Temporal CLI with a server inside (exit code {code})"
    version = (int(found[1]), int(found[2]))
    if version < OLDEST_SERVER:
        return (
            f"{path} has server {version[0]}.{version[1]}; {OLDEST_SERVER[0]}.{OLDEST_SERVER[1]} or"
            " newer is needed"
        )
    return None


async def _once(target: Path, get: _Getter, home: Home, on_event: Callable[[str], None]) -> None:
    """Get the program into a folder of its own and move it to its place, one process at a time."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(target.parent / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await _lock(descriptor, on_event)
        if await _problem(target) is None:
            return  # another process got it while we waited
        # Always the same name: what a kill leaves is cleared by whoever holds the lock next.
        folder = target.parent / "getting"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        try:
            (await get(folder, home, on_event)).replace(target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


async def _lock(descriptor: int, on_event: Callable[[str], None]) -> None:
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not told:
                on_event("another process is getting the Temporal server; waiting for it")
                told = True
            await asyncio.sleep(0.5)


async def _download(folder: Path, _: Home, on_event: Callable[[str], None]) -> Path:
    # The SDK has no call that only downloads: its test environment downloads, starts and stops.
    on_event("getting the Temporal server: download by the SDK")
    # Imported here: every command would wait for it, and hardly one ever comes to this.
    from temporalio.testing import WorkflowEnvironment

    # The SDK's type for search attributes is left open there.
    start_local = cast(
        Callable[..., Coroutine[None, None, WorkflowEnvironment]],
        WorkflowEnvironment.start_local,  # pyright: ignore[reportUnknownMemberType]
    )
    try:
        async with asyncio.timeout(_DOWNLOAD_SECONDS):
            environment = await start_local(download_dest_dir=str(folder))
            await environment.shutdown()
    except TimeoutError:
        raise Unavailable(f"not done in {_DOWNLOAD_SECONDS:g} s") from None
    except RuntimeError as error:
        raise Unavailable(f"needs HTTPS to temporal.download ({_last_words(error)})") from error
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file() and os.access(entry, os.X_OK):
                return Path(entry)
    raise Unavailable("left no program behind")


async def _build(folder: Path, home: Home, on_event: Callable[[str], None]) -> Path:
    go = shutil.which("go")
    if go is None:
        raise Unavailable("needs Go, and there is no `go` on PATH")
    on_event(
        f"getting the Temporal server: building {GO_MODULE} with Go; about 3 minutes, this once"
    )
    environment = {
        "GOBIN": str(folder),
        # A user's flags (-mod=vendor and the like) are for their own module.
        "GOFLAGS": "-buildvcs=false",
        # So that it does not go on for minutes when we are killed.
        processes.MARK: str(home.path),
    }
    command = (go, "install", "-trimpath", "-ldflags=-s -w", GO_MODULE)
    building = asyncio.create_task(_run(command, environment, _BUILD_SECONDS))
    began = time.monotonic()
    try:
        while not (await asyncio.wait((building,), timeout=_REPORT_SECONDS))[0]:
            on_event(f"still building the Temporal server ({time.monotonic() - began:.0f} s)")
        code, output = building.result()
    except TimeoutError:
        raise Unavailable(f"not done in {_BUILD_SECONDS:g} s") from None
    finally:
        building.cancel()
        await asyncio.wait((building,))
    if code != 0:
        raise Unavailable(f"needs a Go module proxy within reach ({output.strip()[-500:]})")
    return folder / "temporal"


async def _run(
    command: tuple[str, ...], environment: dict[str, str], seconds: float
) -> tuple[int, str]:
    """Exit code and all output of a program; it and its children end with us, even if cancelled."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, **environment},
    )
    try:
        async with asyncio.timeout(seconds):
            output, _ = await process.communicate()
    finally:
        processes.signal_group(process.pid, signal.SIGKILL)
    return process.returncode or 0, output.decode(errors="replace")


def _last_words(error: Exception) -> str:
    return str(error).rsplit(": ", 1)[-1]


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "graphmill" / "bin"
