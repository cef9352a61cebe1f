"""The two PostgreSQL servers, made as the compose file says: who needs a password, what the service
finds, and that what is saved comes back. No container runs here; a stand-in for `docker` runs in
each what it is told to, on servers of the embedded one's release."""

import base64
import hashlib
import hmac
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
import yaml

from graphmill.stores.postgres.database import migrate
from tests.support.plain_postgres import PlainPostgres, plain_postgres

# What a shell, psql and an address each have to be careful with.
_PASSWORD = 'it\'s a $ecret\\ "of" :ours'
_DUMPS = ("temporal", "temporal_visibility", "graphmill")


@pytest.fixture(scope="module")
def services(compose_file: Path) -> dict[str, Any]:
    return yaml.safe_load(compose_file.read_text())["services"]


def _initdb_words(service: dict[str, Any]) -> list[str]:
    return shlex.split(service["environment"]["POSTGRES_INITDB_ARGS"])


def _prepare(server: PlainPostgres, script: Path, tmp_path: Path) -> None:
    """Run the init script as the image does; psql's arguments are written down."""
    psql = tmp_path / "psql"
    psql.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\nexec {server.programs}/psql "$@"\n')
    psql.chmod(0o755)
    environment = os.environ | server.inside
    environment |= {"PATH": f"{tmp_path}:{os.environ['PATH']}", "GRAPHMILL_PASSWORD": _PASSWORD}
    done = subprocess.run(
        ["bash", str(script)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("asked")


@pytest.fixture(scope="module")
def postgres(services: dict[str, Any], deployment: Path, asked: Path) -> Iterator[PlainPostgres]:
    with plain_postgres("postgres", _initdb_words(services["postgres"])) as server:
        _prepare(server, deployment / "postgres" / "10-graphmill.sh", asked)
        yield server


@pytest.fixture(scope="module")
def temporal_postgres(services: dict[str, Any]) -> Iterator[PlainPostgres]:
    service = services["temporal-postgres"]
    with plain_postgres(service["environment"]["POSTGRES_USER"], _initdb_words(service)) as server:
        yield server


async def _connect(server: PlainPostgres, password: str) -> asyncpg.Connection:
    return await asyncpg.connect(
        host="127.0.0.1",
        port=server.port,
        user="graphmill",
        password=password,
        database="graphmill",
        ssl=False,
    )


def _url(server: PlainPostgres) -> str:
    return f"postgresql://graphmill:{quote(_PASSWORD, safe='')}@127.0.0.1:{server.port}/graphmill"


async def test_by_the_network_nobody_comes_in_without_the_password(postgres: PlainPostgres) -> None:
    connection = await _connect(postgres, _PASSWORD)
    assert await connection.fetchval("SELECT current_user") == "graphmill"
    await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await _connect(postgres, "another")


def _salted(password: str, verifier: str) -> bytes:
    """The key that PostgreSQL keeps of it: SCRAM-SHA-256$ITERATIONS:SALT$STORED:SERVER."""
    iterations, _, salt = verifier.split("$")[1].partition(":")
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    return hashlib.sha256(hmac.digest(key, b"Client Key", "sha256")).digest()


def test_the_init_script_makes_what_the_service_needs_and_no_more(
    postgres: PlainPostgres, asked: Path
) -> None:
    might = postgres.ask(
        "SELECT rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls"
        " FROM pg_roles WHERE rolname = 'graphmill'"
    )
    assert might == "t|f|f|f|f"
    member = "SELECT pg_has_role('{}', '{}', 'MEMBER')"
    assert postgres.ask(member.format("graphmill", "graphmill_tenant")) == "t"
    assert postgres.ask(member.format("graphmill_tenant", "graphmill")) == "f"
    database = postgres.ask(
        "SELECT datdba::regrole, datlocprovider, datlocale FROM pg_database"
        " WHERE datname = 'graphmill'"
    )
    assert database == "graphmill|b|C.UTF-8"
    assert postgres.ask("SELECT count(*) FROM pg_extension WHERE extname = 'vector'", "graphmill")
    # Whole, whatever is in it; and in no list of processes.
    verifier = postgres.ask("SELECT rolpassword FROM pg_authid WHERE rolname = 'graphmill'")
    stored, _, _ = verifier.split("$")[2].partition(":")
    assert base64.b64decode(stored) == _salted(_PASSWORD, verifier)
    assert (asked / "asked").read_text().strip()
    assert "ecret" not in (asked / "asked").read_text()


@pytest.fixture
def docker(tmp_path: Path, postgres: PlainPostgres, temporal_postgres: PlainPostgres) -> Path:
    """Does `docker compose exec -T SERVICE PROGRAM` on the servers here; writes down the rest."""
    folder = tmp_path / "programs"
    folder.mkdir()
    hosts = "\n".join(
        f"{name}) export PGHOST={server.folder} PGPORT={server.port};;"
        for name, server in (("postgres", postgres), ("temporal-postgres", temporal_postgres))
    )
    program = folder / "docker"
    program.write_text(
        f"""#!/bin/sh
        [ "$*" != "compose version" ] || exit 0
        [ "$1 $2 $3" = "compose exec -T" ] || {{ echo "$COMPOSE_FILE $*" >>{folder}/others; exit; }}
        service=$4 program=$5
        shift 5
        case $service in
        {hosts}
        *) exit 9;;
        esac
        exec {postgres.programs}/$program "$@"
        """
    )
    program.chmod(0o755)
    return folder


def _script(
    name: str, folder: Path, docker: Path, root: Path
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(root / "scripts" / name), folder.name],
        env={"PATH": f"{docker}:{os.environ['PATH']}"},
        cwd=folder.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def test_what_is_saved_comes_back_as_it_was(
    docker: Path,
    postgres: PlainPostgres,
    temporal_postgres: PlainPostgres,
    tmp_path: Path,
    project_root: Path,
) -> None:
    # The service's own role makes the tables, as workers of role store do.
    await migrate(_url(postgres))
    connection = await _connect(postgres, _PASSWORD)
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer, '[1, 2]'::vector AS v")
    await connection.close()
    temporal_postgres.ask("CREATE DATABASE temporal")
    temporal_postgres.ask("CREATE DATABASE temporal_visibility")
    for name in ("temporal", "temporal_visibility"):
        temporal_postgres.ask(f"CREATE TABLE kept AS SELECT '{name}' AS answer", name)
    saved = tmp_path / "saved"
    done = _script("compose-backup", saved, docker, project_root)
    assert done.returncode == 0, done.stderr
    assert sorted(file.name for file in saved.iterdir()) == sorted(f"{one}.dump" for one in _DUMPS)
    assert all(file.stat().st_mode & 0o077 == 0 for file in saved.iterdir())
    tables = postgres.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", "graphmill")

    # A volume that is new has one of Temporal's two; a volume that is not, other rows.
    temporal_postgres.ask("DROP DATABASE temporal_visibility")
    temporal_postgres.ask("UPDATE kept SET answer = 'another'", "temporal")
    postgres.ask("DROP TABLE kept", "graphmill")
    done = _script("compose-restore", saved, docker, project_root)
    assert done.returncode == 0, done.stderr
    started = (docker / "others").read_text().split()
    assert started[0] == "docker-compose.temporal.yml"
    assert started[1:] == ["compose", "up", "--detach", "--wait", "temporal-postgres", "postgres"]
    for name in ("temporal", "temporal_visibility"):
        assert temporal_postgres.ask("SELECT answer FROM kept", name) == name
    connection = await _connect(postgres, _PASSWORD)
    assert await connection.fetchval("SELECT answer FROM kept") == 42
    await connection.close()
    again = postgres.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", "graphmill")
    assert again == tables
    owner = (
        "SELECT datdba::regrole, datlocprovider, datlocale FROM pg_database WHERE datname = '{}'"
    )
    assert postgres.ask(owner.format("graphmill")) == "graphmill|b|C.UTF-8"
    await migrate(_url(postgres))


def test_a_dump_that_fails_leaves_the_one_before(
    docker: Path, temporal_postgres: PlainPostgres, tmp_path: Path, project_root: Path
) -> None:
    temporal_postgres.ask("DROP DATABASE IF EXISTS temporal")
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "temporal.dump").write_text("the good one")
    done = _script("compose-backup", saved, docker, project_root)
    assert done.returncode != 0
    assert 'database "temporal" does not exist' in done.stderr
    assert (saved / "temporal.dump").read_text() == "the good one"
    assert [file.name for file in saved.iterdir()] == ["temporal.dump"]


@pytest.fixture
def no_plugin(tmp_path: Path) -> Path:
    """Docker as it is without the compose plugin."""
    folder = tmp_path / "programs"
    folder.mkdir()
    program = folder / "docker"
    program.write_text("#!/bin/sh\necho \"unknown shorthand flag: 'T' in -T\" >&2\nexit 125\n")
    program.chmod(0o755)
    return folder


def test_without_the_compose_plugin_nothing_is_begun(
    no_plugin: Path, tmp_path: Path, project_root: Path
) -> None:
    saved = tmp_path / "saved"
    done = _script("compose-backup", saved, no_plugin, project_root)
    assert done.returncode == 1
    assert done.stderr.startswith("compose-backup: `docker compose version` fails here; install")
    assert done.stderr.count("\n") == 1
    assert not saved.exists()

    saved.mkdir()
    for name in _DUMPS:
        (saved / f"{name}.dump").write_text("x")
    done = _script("compose-restore", saved, no_plugin, project_root)
    assert done.returncode == 1
    assert done.stderr.startswith("compose-restore: `docker compose version` fails here; install")
    assert done.stderr.count("\n") == 1


def test_a_folder_that_is_not_there_is_told_in_plain_words(
    no_plugin: Path, tmp_path: Path, project_root: Path
) -> None:
    done = _script("compose-restore", tmp_path / "nothere", no_plugin, project_root)
    assert done.returncode == 2
    assert done.stderr.startswith("compose-restore: there is no folder nothere; name the one")


def test_an_empty_dump_is_not_brought_back(
    docker: Path, tmp_path: Path, project_root: Path
) -> None:
    saved = tmp_path / "saved"
    saved.mkdir()
    for name in _DUMPS:
        (saved / f"{name}.dump").touch()
    done = _script("compose-restore", saved, docker, project_root)
    assert done.returncode == 2
    assert "temporal.dump is not there, or is empty" in done.stderr
    assert not (docker / "others").exists()
