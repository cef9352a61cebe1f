"""What `doctor` looks at: every connection, version and setting, in plain words."""

import asyncio
import platform
import shutil
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from importlib import metadata, resources
from pathlib import Path

import asyncpg
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client

from graphmill import search_attributes
from graphmill.application.access_check import check_keys
from graphmill.application.checks import Check
from graphmill.application.outages import explain_address, explain_outage
from graphmill.application.task_queues import look_at
from graphmill.database_connections import judge
from graphmill.settings import Settings
from graphmill.stores.postgres.connection_room import load_room
from graphmill.stores.postgres.database import APPLICATION_NAME
from graphmill.stores.postgres.tenant_tables import FLEET_TABLES, TENANT_ROLE, UNGUARDED_TABLES
from workflows.queues import QUEUES

_SECONDS = 5.0
_PACKAGES = ("temporalio", "asyncpg", "fastapi", "graspologic-native", "liteparse", "wordllama")
_LOW_DISK_BYTES = 2_000_000_000


def check_machine(settings: Settings) -> tuple[Check, ...]:
    """What can be seen without any server."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES)
    return (
        Check(
            "python",
            sys.version_info >= (3, 11),
            f"{platform.python_version()} (3.11 or newer is needed)",
        ),
        Check("packages", True, f"graphmill {metadata.version('graphmill')}, {versions}"),
        _check_home(settings.home),
        Check(
            "settings",
            True,
            f"{settings.cpu_workers} CPU workers, {settings.database_connections} database"
            f" connections a process at most, chunks of {settings.chunk.size} tokens with"
            f" {settings.chunk.overlap} of overlap, tenant {settings.tenant}",
        ),
    )


def _check_home(home: Path) -> Check:
    folder = home.absolute()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    words = f"{folder}, {free / 1e9:,.0f} GB free"
    if free < _LOW_DISK_BYTES:
        return Check("home", False, words + "; free some, or set GRAPHMILL_HOME to another disk")
    return Check("home", True, words)


async def check_database(url: str, settings: Settings) -> AsyncIterator[Check]:
    """PostgreSQL: whether it answers, its version, extension, tables and connections."""
    try:
        connection = await asyncpg.connect(
            url, timeout=_SECONDS, server_settings={"application_name": APPLICATION_NAME}
        )
    except ValueError as error:  # before anything was asked: of the address alone
        yield Check("postgresql", False, str(explain_address(error)))
        return
    except Exception as error:
        yield Check("postgresql", False, _words(error))
        return
    try:
        version: str = await connection.fetchval("SHOW server_version")
        yield Check("postgresql", True, f"answers, version {version}")
        vector = await connection.fetchval(
            "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
        )
        if vector is None:
            yield Check(
                "pgvector", False, "the extension is missing: CREATE EXTENSION vector (superuser)"
            )
        else:
            yield Check("pgvector", True, f"version {vector}")
        yield await _check_tables(connection)
        yield await _check_tenants(connection)
        yield await _check_connections(connection, settings)
        if await connection.fetchval("SELECT to_regclass('api_keys') IS NOT NULL"):
            keys = await check_keys(connection, settings)
            if keys is not None:
                yield keys
    except Exception as error:
        yield Check("postgresql", False, _words(error))
    finally:
        connection.terminate()


async def _check_tables(connection: asyncpg.Connection) -> Check:
    there = await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL")
    if not there:
        return Check("tables", False, "none yet: `graphmill up` or a worker makes them")
    rows = await connection.fetch("SELECT name FROM schema_migrations")
    folder = resources.files("graphmill.stores.postgres") / "migrations"
    known = {file.name for file in folder.iterdir() if file.name.endswith(".sql")}
    missing = sorted(known - {row["name"] for row in rows})
    if missing:
        return Check("tables", False, f"older than this release, without {', '.join(missing)}")
    return Check("tables", True, f"{len(rows)} migrations, all that this release knows")


async def _check_tenants(connection: asyncpg.Connection) -> Check:
    """Whether policies keep tenants apart: the role that they bind, and every table guarded."""
    user: str = await connection.fetchval("SELECT current_user")
    there = await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", TENANT_ROLE)
    if not there:
        return Check(
            "tenants",
            False,
            f"the role {TENANT_ROLE} is missing; `graphmill up` or a worker makes it, or an"
            f" administrator: CREATE ROLE {TENANT_ROLE} NOLOGIN; GRANT {TENANT_ROLE} TO {user};",
        )
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL ROLE {TENANT_ROLE}")
    except asyncpg.InsufficientPrivilegeError:
        return Check(
            "tenants",
            False,
            f"{user} may not act as the role {TENANT_ROLE}: GRANT {TENANT_ROLE} TO {user};",
        )
    if await connection.fetchval(_BOUND_BY_POLICIES):
        return Check(
            "tenants",
            False,
            f"{user} does not own the tables, so that policies bind it and workers find nothing;"
            " set DATABASE_URL to the user who made them",
        )
    rows = await connection.fetch(UNGUARDED_TABLES, FLEET_TABLES)
    if rows:
        names = ", ".join(row["name"] for row in rows)
        return Check("tenants", False, f"tables without row-level security by tenant: {names}")
    return Check("tenants", True, f"kept apart by the role {TENANT_ROLE}")


_BOUND_BY_POLICIES = """
SELECT row_security_active(oid) FROM pg_class WHERE oid = to_regclass('collections')
"""


async def _check_connections(connection: asyncpg.Connection, settings: Settings) -> Check:
    fit = judge(settings, await load_room(connection))
    return Check("connections", fit.ok, fit.words)


async def check_temporal(client: Client, address: str) -> AsyncIterator[Check]:
    """Temporal: whether it answers, its version, search attributes, and who polls the queues."""
    timeout = timedelta(seconds=_SECONDS)
    try:
        async with asyncio.timeout(_SECONDS):
            info = await client.workflow_service.get_system_info(
                GetSystemInfoRequest(), timeout=timeout
            )
        yield Check("temporal", True, f"answers at {address}, version {info.server_version}")
        listed = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace), timeout=timeout
        )
        missing = [k.name for k in search_attributes.ALL if k.name not in listed.custom_attributes]
        if missing:
            flags = "".join(f" --name {name} --type Keyword" for name in missing)
            yield Check(
                "search attributes",
                False,
                f"namespace {client.namespace} lacks {', '.join(missing)}:"
                f" temporal operator search-attribute create{flags}",
            )
        else:
            yield Check("search attributes", True, f"all in namespace {client.namespace}")
        idle = [
            queue.name for queue in QUEUES if not (await look_at(client, queue, _SECONDS)).polled
        ]
        if idle:
            yield Check(
                "workers",
                False,
                f"nobody polls {', '.join(idle)}: `graphmill up` runs workers, or start them with"
                " `graphmill worker ROLE`",
            )
        else:
            yield Check("workers", True, f"all {len(QUEUES)} task queues are polled")
    except Exception as error:
        yield Check("temporal", False, _words(error, temporal=address))


def _words(error: Exception, *, temporal: str | None = None) -> str:
    told = explain_outage(error, temporal=temporal, by_doctor=True)
    return str(told) if told else f"it answers with {type(error).__name__}"
