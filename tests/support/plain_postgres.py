"""A PostgreSQL made as its container image makes one: by initdb's words of the compose file, with a
password, and on the network. Its programs are those of the embedded server's wheel."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from graphmill.embedded.home import Home
from graphmill.embedded.postgres_server import PostgresServer
from graphmill.embedded.unprivileged import identity
from tests.support.ports import free_ports

_START_SECONDS = 30


@dataclass(frozen=True, slots=True)
class PlainPostgres:
    """Its superuser comes in by the socket in `folder` without a password."""

    programs: Path
    folder: Path
    port: int
    superuser: str
    password: str

    @property
    def inside(self) -> dict[str, str]:
        """The environment of a program that runs in its container."""
        return {"PGHOST": str(self.folder), "PGPORT": str(self.port)}

    def run(self, program: str, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(self.programs / program), *words],
            env=os.environ | self.inside,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def ask(self, statement: str, database: str = "postgres") -> str:
        """What psql prints for it, bare, as the superuser from inside."""
        words = ("--no-psqlrc", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1")
        to = ("--username", self.superuser, "--dbname", database)
        done = self.run("psql", *words, *to, "--command", statement)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@contextmanager
def plain_postgres(superuser: str, initdb_words: Sequence[str]) -> Generator[PlainPostgres]:
    """For the time of a block."""
    folder = Path(tempfile.mkdtemp(prefix="gm"))  # a socket's path has to be short
    who = identity()
    programs = PostgresServer.of(Home.at(folder)).programs
    data, password = folder / "data", folder / "password"
    port = free_ports(1)
    try:
        who.open_way(folder)
        for path in (data, folder / "socket"):
            path.mkdir(mode=0o700)
            who.give(path)
        password.write_text("superuser's")
        who.give(password)
        words = (f"--pgdata={data}", f"--username={superuser}", f"--pwfile={password}")
        made = subprocess.run(
            [*who.prefix, str(programs / "initdb"), *words, "--no-sync", *initdb_words],
            env=os.environ | {"LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd="/",
        )
        assert made.returncode == 0, made.stderr
        server = PlainPostgres(programs, folder / "socket", port, superuser, password.read_text())
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": str(server.folder),
            "fsync": "off",
        }
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [
                    *(*who.prefix, str(programs / "postgres"), "-D", str(data)),
                    *(
                        word
                        for name, value in options.items()
                        for word in ("-c", f"{name}={value}")
                    ),
                ],
                stdout=log,
                stderr=log,
                cwd="/",
            )
        try:
            deadline = time.monotonic() + _START_SECONDS
            while server.run("pg_isready", "--quiet").returncode != 0:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.05)
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
