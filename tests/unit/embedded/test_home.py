"""One process holds a home, says so, and lets go however it ends."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from graphmill.embedded.home import Addresses, Home, HomeInUse, HomeLock

_ADDRESSES = Addresses(
    database_url="postgresql://graphmill@/graphmill?host=%2Fsomewhere",
    temporal_address="127.0.0.1:7233",
    temporal_ui_url="http://127.0.0.1:8233",
    api_url="http://127.0.0.1:8000",
)
_HOLD = """
import sys, time
from pathlib import Path
from graphmill.embedded.home import Home, HomeLock
home = Home.at(Path(sys.argv[1]))
with HomeLock(home):
    print("held", flush=True)
    time.sleep(60)
"""


def _hold(home: Home) -> subprocess.Popen[bytes]:
    holder = subprocess.Popen((sys.executable, "-c", _HOLD, str(home.path)), stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    return holder


def test_a_second_holder_is_told_who_holds_it_and_where_it_answers(home: Home) -> None:
    with _hold(home) as holder:
        home.write_addresses(_ADDRESSES)
        with pytest.raises(HomeInUse) as raised, HomeLock(home):
            pass
        holder.kill()
    words = str(raised.value)
    assert f"process {holder.pid}" in words
    assert "since 2" in words
    for address in ("127.0.0.1:7233", "http://127.0.0.1:8233", "http://127.0.0.1:8000"):
        assert address in words


def test_the_lock_dies_with_its_process(home: Home) -> None:
    with _hold(home) as holder:
        assert HomeLock.is_held(home)
        holder.send_signal(signal.SIGKILL)
    assert not HomeLock.is_held(home)
    with HomeLock(home):
        assert HomeLock.is_held(home)
    assert not HomeLock.is_held(home)


def test_asking_who_holds_it_never_keeps_a_holder_out(home: Home) -> None:
    asking = subprocess.Popen(
        (
            sys.executable,
            "-c",
            "import sys; from pathlib import Path\n"
            "from graphmill.embedded.home import Home, HomeLock\n"
            "home = Home.at(Path(sys.argv[1]))\n"
            "while True: HomeLock.is_held(home)",
            str(home.path),
        )
    )
    try:
        for _ in range(200):
            with HomeLock(home):
                pass
    finally:
        asking.kill()
        asking.wait()


def test_addresses_are_read_only_while_somebody_holds_the_home(home: Home) -> None:
    with HomeLock(home):
        assert home.read_addresses() is None
        home.write_addresses(_ADDRESSES)
        assert home.read_addresses() == _ADDRESSES
    assert home.addresses.exists()
    assert home.read_addresses() is None


def test_a_home_is_its_owners_alone_and_its_parents_stay_as_they_are(tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    parent.mkdir(mode=0o755)
    parent.chmod(0o775)
    (parent / "home").mkdir()
    (parent / "home").chmod(0o777)
    home = Home.at(parent / "home")
    home.create()
    assert home.path.stat().st_mode & 0o777 == 0o700
    assert parent.stat().st_mode & 0o777 == 0o775


def test_a_large_log_is_put_aside_when_it_is_opened(home: Home) -> None:
    home.log("part").write_bytes(b"old\n" * 3_000_000)
    with home.open_log("part") as log:
        log.write(b"new\n")
    assert home.log("part").read_bytes() == b"new\n"
    assert (home.logs / "part.log.1").stat().st_size == 12_000_000


def test_addresses_of_a_killed_stack_are_not_those_of_the_next(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.create()
    died = subprocess.Popen([sys.executable, "-c", ""])
    died.wait()
    with HomeLock(home):
        home.write_addresses(_ADDRESSES)
        written = json.loads(home.addresses.read_text())
        home.addresses.write_text(json.dumps(written | {"pid": died.pid}))
        assert home.read_addresses() is None
