"""GRAPHMILL_HOME: where embedded parts keep their state, who holds it, where the parts answer."""

import fcntl
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

from graphmill.errors import SettingsError, Unavailable

_PROBE_SECONDS = 0.5
_LOG_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts of a running stack answer; None where that part is not there."""

    database_url: str
    temporal_address: str | None = None
    temporal_ui_url: str | None = None
    api_url: str | None = None


class HomeInUse(Unavailable):
    """Another process holds GRAPHMILL_HOME."""


@dataclass(frozen=True, slots=True)
class Home:
    """The folder's layout. Nothing is written outside it but a short-lived socket folder."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> Self:
        return cls(path.expanduser().resolve())

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def addresses(self) -> Path:
        return self.run / "stack.json"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def binaries(self) -> Path:
        return self.path / "bin"

    @property
    def temporal(self) -> Path:
        return self.path / "temporal"

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def postgres_building(self) -> Path:
        """Where a new cluster is made before it gets its name."""
        return self.path / "postgres.new"

    def create(self) -> None:
        """Make the folders, for their owner alone.

        Raises:
            SettingsError: they cannot be made or written.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            # An older or hand-made home may be open to others; what lies in it is private.
            if self.path.stat().st_mode & 0o067:
                self.path.chmod(0o700)
            for folder in (self.run, self.logs, self.temporal):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"GRAPHMILL_HOME {self.path} cannot be written ({error.strerror}); set it to a"
                " folder of yours"
            ) from error

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def open_log(self, name: str) -> BinaryIO:
        """A part's log, to append to; a large one is put aside first: two bound the disk."""
        path = self.log(name)
        if path.exists() and path.stat().st_size > _LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path.open("ab")

    def write_addresses(self, addresses: Addresses) -> None:
        written = {**asdict(addresses), "pid": os.getpid()}
        _write_private(self.addresses, json.dumps(written, indent=1))

    def read_addresses(self) -> Addresses | None:
        """What a running stack wrote down; None where nothing runs or it still starts."""
        if not self.lock.exists() or not HomeLock.is_held(self):
            return None
        try:
            fields = cast(dict[str, Any], json.loads(self.addresses.read_text()))
            # A killed stack's stay until the next one, which holds the lock by then, removes them.
            os.kill(fields.pop("pid"), 0)
            return Addresses(**fields)
        except (OSError, ValueError, KeyError, TypeError):
            return None


class HomeLock:
    """Holds a home for one process. The kernel drops the lock when that dies, however it dies."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            HomeInUse: says which process holds it, since when and where its parts answer.
        """
        descriptor = os.open(self._home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _PROBE_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # is_held() takes the lock for an instant, which must not look like a holder.
                if time.monotonic() > deadline:
                    holder = os.pread(descriptor, 4096, 0).decode(errors="replace")
                    os.close(descriptor)
                    raise HomeInUse(_in_use(self._home, holder)) from None
                time.sleep(0.02)
        holder = {
            "pid": os.getpid(),
            # The first argument only: later ones may be a user's question.
            "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]]),
            "since": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        }
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @staticmethod
    def is_held(home: Home) -> bool:
        try:
            descriptor = os.open(home.lock, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False


def _in_use(home: Home, holder: str) -> str:
    try:
        fields = cast(dict[str, Any], json.loads(holder))
        who = f"process {fields['pid']} ({fields['command']}) since {fields['since']}"
    except (ValueError, KeyError, TypeError):
        who = "another process, which is only just starting or ending"
    addresses = home.read_addresses()
    where = ""
    if addresses is not None:
        known = (
            ("Temporal", addresses.temporal_address),
            ("Web UI", addresses.temporal_ui_url),
            ("API", addresses.api_url),
        )
        where = "; " + ", ".join(f"{name} {address}" for name, address in known if address)
    return (
        f"GRAPHMILL_HOME {home.path} is held by {who}{where}. Use that one, stop it, or set"
        " GRAPHMILL_HOME to another folder"
    )


def _write_private(path: Path, text: str) -> None:
    """Written whole or not at all, readable by the owner alone."""
    temporary = path.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
