"""Parts are kept running, given up when hopeless, and ended in time with all their children."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from graphmill.embedded import processes, supervisor
from graphmill.embedded.home import Home
from graphmill.embedded.leftovers import end_leftovers
from graphmill.embedded.supervisor import Part, PartFailed, Supervisor

_SLEEP = "import time; time.sleep(600)"


def _python(name: str, code: str, stop_seconds: float = 5) -> Part:
    return Part(name, (sys.executable, "-c", code), stop_seconds=stop_seconds)


def _read_pid(path: Path) -> int | None:
    text = path.read_text() if path.exists() else ""
    return int(text) if text else None


async def _pid(path: Path, other_than: int | None = None) -> int:
    for _ in range(500):
        pid = _read_pid(path)
        if pid is not None and pid != other_than:
            return pid
        await asyncio.sleep(0.01)
    raise AssertionError(f"nothing wrote {path}")


def _writes_pid(path: Path, then: str) -> str:
    return f"import os; open({str(path)!r}, 'w').write(str(os.getpid())); {then}"


async def test_a_killed_part_is_started_again_and_said_so(
    home: Home, tmp_path: Path, said: list[str], tell: Callable[[str], None]
) -> None:
    file = tmp_path / "pid"
    async with Supervisor(home, tell) as parts:
        code = "print('last words', flush=True); " + _SLEEP
        await parts.start(_python("sleeper", _writes_pid(file, code)))
        first = await _pid(file)
        await asyncio.sleep(0.1)
        os.kill(first, signal.SIGKILL)
        second = await _pid(file, other_than=first)
    assert "sleeper died (killed by SIGKILL)" in said[0]
    assert "last words" in said[0]
    assert not processes.is_alive(second)


async def test_a_part_that_keeps_dying_is_given_up_with_its_last_words(
    home: Home, monkeypatch: pytest.MonkeyPatch, tell: Callable[[str], None]
) -> None:
    monkeypatch.setattr(supervisor, "_BACKOFF_SECONDS", (0.0,) * 5)
    async with Supervisor(home, tell) as parts:
        await parts.start(_python("broken", "import sys; sys.exit('no such module')"))
        with pytest.raises(PartFailed) as raised:
            async with asyncio.timeout(10):
                await parts.failed()
    assert "broken died 5 times in a row: exit code 1" in str(raised.value)
    assert "no such module" in str(raised.value)


async def test_a_part_that_ends_before_it_is_ready_fails_its_start(
    home: Home, tell: Callable[[str], None]
) -> None:
    async def never() -> bool:
        return False

    part = Part("refuser", (sys.executable, "-c", "import sys; sys.exit('taken')"), ready=never)
    async with Supervisor(home, tell) as parts:
        with pytest.raises(PartFailed, match=r"(?s)refuser does not start: exit code 1.*taken"):
            await parts.start(part)


async def test_stopping_lets_a_part_finish_and_kills_one_that_does_not(
    home: Home, tmp_path: Path, said: list[str], tell: Callable[[str], None]
) -> None:
    drained, started = tmp_path / "drained", tmp_path / "started"
    polite = (
        "import signal, time, sys, pathlib\n"
        "def end(*_):\n"
        f"    time.sleep(0.2); pathlib.Path({str(drained)!r}).touch(); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n" + _writes_pid(started, _SLEEP)
    )
    deaf_started = tmp_path / "deaf"
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + _writes_pid(
        deaf_started, _SLEEP
    )
    async with Supervisor(home, tell) as parts:
        await parts.start(_python("polite", polite), _python("deaf", deaf, stop_seconds=0.5))
        await _pid(started)
        pid = await _pid(deaf_started)
        await parts.stop(("polite", "deaf"))
        assert drained.exists()
        assert not processes.is_alive(pid)
    assert said == ["deaf did not end in 0.5 s: killed"]


async def test_children_of_a_part_end_with_it(
    home: Home, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    file = tmp_path / "pid"
    child = _writes_pid(file, _SLEEP)
    parent = f"import subprocess, sys; subprocess.run((sys.executable, '-c', {child!r}))"
    async with Supervisor(home, tell) as parts:
        await parts.start(_python("parent", parent))
        pid = await _pid(file)
        assert processes.is_alive(pid)
    await _gone(pid)


async def _gone(pid: int) -> None:
    for _ in range(500):
        if not processes.is_alive(pid):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"process {pid} still runs")


_SUPERVISE = """
import asyncio, sys
from pathlib import Path
from graphmill.embedded.home import Home
from graphmill.embedded.supervisor import Part, Supervisor
async def main():
    async with Supervisor(Home.at(Path(sys.argv[1])), print) as parts:
        await parts.start(Part("part", (sys.executable, "-c", sys.argv[2])))
        await asyncio.sleep(600)
asyncio.run(main())
"""


@asynccontextmanager
async def _supervised_elsewhere(home: Home, file: Path) -> AsyncGenerator[tuple[int, int]]:
    """A supervisor in another process: its pid, and that of a grandchild in its own session."""
    child = _writes_pid(file, _SLEEP)
    code = (
        "import subprocess, sys;"
        f"subprocess.run((sys.executable, '-c', {child!r}), start_new_session=True)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SUPERVISE, str(home.path), code
    )
    try:
        yield process.pid, await _pid(file)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_when_the_supervisor_is_killed_its_parts_and_theirs_end(
    home: Home, tmp_path: Path
) -> None:
    async with _supervised_elsewhere(home, tmp_path / "pid") as (supervisor_pid, pid):
        os.kill(supervisor_pid, signal.SIGKILL)
        await _gone(pid)
        for process in processes.marked(home.path):  # the guardian, about to end
            await _gone(process.pid)


async def test_what_even_the_guardian_could_not_end_is_ended_at_the_next_start(
    home: Home, tmp_path: Path
) -> None:
    async with _supervised_elsewhere(home, tmp_path / "pid") as (supervisor_pid, pid):
        guardian = next(
            child
            for child in psutil.Process(supervisor_pid).children()
            if "graphmill.embedded.guardian" in child.cmdline()
        )
        guardian.kill()
        os.kill(supervisor_pid, signal.SIGKILL)
        assert processes.is_alive(pid)
        assert end_leftovers(home) >= 1
        assert not processes.is_alive(pid)


def test_a_zombie_counts_as_dead() -> None:
    child = subprocess.Popen(("/bin/sh", "-c", "exit 0"))
    deadline = time.monotonic() + 5
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not processes.is_alive(child.pid)
    child.wait()


def test_other_homes_and_strangers_are_left_alone(home: Home, tmp_path: Path) -> None:
    stranger = subprocess.Popen(
        ("sleep", "60"), env=os.environ | {processes.MARK: str(tmp_path / "other")}
    )
    try:
        assert end_leftovers(home) == 0
        assert processes.is_alive(stranger.pid)
    finally:
        stranger.kill()
        stranger.wait()
