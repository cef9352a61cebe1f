"""The connection pools and the migrations."""

import asyncio
import contextlib
from importlib import resources
from typing import Any, cast

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from graphmill.errors import SettingsError, Unavailable
from graphmill.stores.postgres.statement_spans import trace_statements
from graphmill.stores.postgres.tenant_tables import TENANT_ROLE
from graphmill.tenancy import acting_tenant

_CLOSE_SECONDS = 2.0
# Any number that nobody else locks: one migration at a time over all processes.
_MIGRATION_LOCK = 0x67726D69

APPLICATION_NAME = "graphmill"
"""By which the server knows our connections."""

# One time zone and one float format, whatever the server's own are. A process that is killed closes
# its connections; a machine that is gone does not, and PostgreSQL would look for it, and keep its
# locks, for two hours. (seconds, seconds, times; nothing where sockets are files)
_SESSION = {
    "timezone": "UTC",
    "application_name": APPLICATION_NAME,
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}

# A connection that nobody used for so long is given back to the server: others may need it.
_IDLE_SECONDS = 60.0

_DOWN = (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, TimeoutError)

# Beyond these: what a server says that goes down or has too much to do, and what asyncpg says of a
# connection that broke under it.
_PASSING = (
    *_DOWN,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
)


def is_transient(error: BaseException) -> bool:
    """Whether the same statement may succeed later: the server is down, busy or chose a victim."""
    # ValueError: asyncpg's word for what it cannot send is an InterfaceError too.
    return isinstance(error, _PASSING) and not isinstance(error, ValueError)


async def open_pool(url: str, max_size: int) -> asyncpg.Pool:
    """A pool of at most max_size connections, opened when they are needed, and closed when they
    are not.

    A connection goes back into it as it is, but for a transaction that is open, which is undone:
    who changes its session otherwise (SET without LOCAL, a lock of the session) changes it back.

    Raises:
        Unavailable: nothing answers at that address.
    """
    return await _open(url, max_size, init=_begin)


async def open_tenant_pool(url: str, max_size: int) -> asyncpg.Pool:
    """As open_pool; its statements see and write the rows of one tenant: of whom the task acts for
    that takes the connection (graphmill.tenancy), and nobody's where it acts for nobody.

    Policies of the tables see to that, whatever a statement says or forgets to say.

    Raises:
        Unavailable: nothing answers at that address.
    """
    return await _open(
        url,
        max_size,
        connection_class=_TenantConnection,
        init=_become_tenant_role,
        setup=_act_for_tenant,
    )


async def _open(url: str, max_size: int, **more: Any) -> asyncpg.Pool:
    try:
        return await asyncpg.create_pool(
            url,
            min_size=0,
            max_size=max_size,
            max_inactive_connection_lifetime=_IDLE_SECONDS,
            timeout=10,
            command_timeout=None,
            # asyncpg would send four statements after each of ours: more work than most of those.
            reset=_leave_as_it_is,
            server_settings=_SESSION,
            **more,
        )
    except _DOWN as error:
        raise _unavailable(error) from error


class _TenantConnection(asyncpg.Connection):
    """Knows for whom its session acts; None: nobody has said so yet."""

    acts_for: str | None = None

    async def act_for(self, tenant: str) -> None:
        self.acts_for = None  # until it is certain
        await self.execute("SELECT set_config('graphmill.tenant', $1, false)", tenant)
        self.acts_for = tenant


async def _begin(connection: asyncpg.Connection) -> None:
    trace_statements(connection)


async def _become_tenant_role(connection: asyncpg.Connection) -> None:
    trace_statements(connection)
    await connection.execute(f"SET ROLE {TENANT_ROLE}")


async def _act_for_tenant(taken: "PoolConnectionProxy[asyncpg.Record]") -> None:
    # Called each time that a connection is taken. Where this fails, asyncpg closes it.
    connection = cast(_TenantConnection, taken)  # it hands on what it does not know itself
    tenant = acting_tenant()
    if connection.acts_for != tenant:
        await connection.act_for(tenant)


async def connect(url: str) -> asyncpg.Connection:
    """A connection that is no pool's: whoever asked for it closes it.

    Raises:
        Unavailable: nothing answers at that address.
    """
    try:
        return await asyncpg.connect(url, timeout=10, server_settings=_SESSION)
    except _DOWN as error:
        raise _unavailable(error) from error


async def _leave_as_it_is(connection: asyncpg.Connection) -> None:
    pass


async def close_pool(pool: asyncpg.Pool) -> None:
    """Close it, in bounded time: a query may hang on a server that is gone."""
    # Not terminate() at once: a connection that is on its way back into the pool, after an
    # interrupt, would fail in a task that nobody looks at, whose traceback asyncio prints.
    with contextlib.suppress(TimeoutError, *_PASSING):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await pool.close()


async def migrate(url: str) -> None:
    """Bring the schema up to date: migrations/*.sql in order, each once, each in a transaction.

    Raises:
        SettingsError: the user may not do what a migration does; says what an administrator runs.
        Unavailable: nothing answers at that address.
    """
    try:
        connection = await asyncpg.connect(url, timeout=10)
    except _DOWN as error:
        raise _unavailable(error) from error
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _MIGRATION_LOCK)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations"
            " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        rows = await connection.fetch("SELECT name FROM schema_migrations")
        applied = {row["name"] for row in rows}
        folder = resources.files("graphmill.stores.postgres") / "migrations"
        for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if not file.name.endswith(".sql") or file.name in applied:
                continue
            async with connection.transaction():
                await connection.execute(file.read_text())
                await connection.execute(
                    "INSERT INTO schema_migrations (name) VALUES ($1)", file.name
                )
    except asyncpg.InsufficientPrivilegeError as error:
        raise SettingsError(f"the database cannot be brought up to date: {error}") from error
    finally:
        await connection.close()


def _unavailable(error: Exception) -> Unavailable:
    # The address may hold a password, so only the error's kind is told.
    return Unavailable(
        f"PostgreSQL does not answer ({type(error).__name__}); check that it runs and DATABASE_URL"
    )
