"""What a caller is told when PostgreSQL or Temporal does not answer."""

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import asyncpg
from temporalio.service import RPCError, RPCStatusCode

from graphmill.errors import GraphmillError, SettingsError, Unavailable

P = ParamSpec("P")
T = TypeVar("T")

_TEMPORAL_DOWN = (
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,  # how the SDK tells of a timeout of its own
    RPCStatusCode.RESOURCE_EXHAUSTED,
)
_DATABASE_DOWN = (
    OSError,  # with TimeoutError; files are read elsewhere, under their own words
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
)


def tells_outages(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Raise Unavailable or SettingsError where a client raises that its server is not there."""

    @functools.wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(*args, **kwargs)
        except GraphmillError:
            raise
        except Exception as error:
            told = explain_outage(error)
            if told is None:
                raise
            raise told from error

    return call


def explain_outage(error: Exception) -> GraphmillError | None:
    """The error in plain words, without the address (it may hold a password), or None."""
    if isinstance(error, RPCError):
        if error.status in _TEMPORAL_DOWN:
            return Unavailable(
                "Temporal does not answer; check that it runs (`graphmill up` starts it) and"
                " TEMPORAL_ADDRESS; `graphmill doctor` looks at every connection"
            )
        if "search attribute" in error.message.lower():
            return SettingsError(
                "the Temporal namespace lacks graphmill's search attributes; add them with"
                " `temporal operator search-attribute create --name GraphmillTenant --type Keyword"
                " --name GraphmillCollection --type Keyword --name GraphmillState --type Keyword`"
            )
        if error.status == RPCStatusCode.NOT_FOUND and "namespace" in error.message.lower():
            return SettingsError(
                "the Temporal server has no such namespace; check TEMPORAL_NAMESPACE, or make it"
                " with `temporal operator namespace create`"
            )
        return None
    if isinstance(error, asyncpg.UndefinedTableError):
        return Unavailable(
            "the database has no tables of graphmill yet; `graphmill up` or a `graphmill worker`"
            " makes them when it starts"
        )
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return SettingsError("PostgreSQL refuses the user or password of DATABASE_URL")
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return SettingsError("PostgreSQL has no database of the name that DATABASE_URL gives")
    if isinstance(error, _DATABASE_DOWN):
        return Unavailable(
            f"PostgreSQL does not answer ({type(error).__name__}); check that it runs"
            " (`graphmill up` starts it) and DATABASE_URL; `graphmill doctor` looks at every"
            " connection"
        )
    return None
