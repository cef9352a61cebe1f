"""What a caller is told when PostgreSQL or Temporal does not answer."""

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import asyncpg
from temporalio.service import RPCError, RPCStatusCode

from graphmill import search_attributes
from graphmill.errors import GraphmillError, SettingsError, Unavailable
from graphmill.stores.postgres.database import is_transient
from graphmill.stores.postgres.tenant_tables import TENANT_ROLE

P = ParamSpec("P")
T = TypeVar("T")

_TEMPORAL_DOWN = (
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,  # how the SDK tells of a timeout of its own
    RPCStatusCode.RESOURCE_EXHAUSTED,
)
_ASK_DOCTOR = "; `graphmill doctor` looks at every connection"


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


def explain_outage(
    error: Exception, *, temporal: str | None = None, by_doctor: bool = False
) -> GraphmillError | None:
    """The error in plain words, or None.

    Never with DATABASE_URL, which may hold a password.

    Args:
        temporal: its address, where the caller knows it.
        by_doctor: whether `doctor` tells it, who need not be told of `doctor`.
    """
    further = "" if by_doctor else _ASK_DOCTOR
    # How the SDK tells that it has not reached the server yet.
    unconnected = isinstance(error, RuntimeError) and "client connect" in str(error)
    if unconnected or (isinstance(error, RPCError) and error.status in _TEMPORAL_DOWN):
        return Unavailable(
            f"Temporal does not answer{f' at {temporal}' if temporal else ''}; check that it runs"
            f" (`graphmill up` starts it) and TEMPORAL_ADDRESS{further}"
        )
    if isinstance(error, RPCError):
        if "search attribute" in error.message.lower():
            return SettingsError(
                "the Temporal namespace lacks graphmill's search attributes; add them with"
                " `temporal operator search-attribute create"
                + "".join(f" --name {key.name} --type Keyword" for key in search_attributes.ALL)
                + "`"
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
    if isinstance(error, asyncpg.InvalidParameterValueError) and TENANT_ROLE in str(error):
        return Unavailable(
            f"the database has no role {TENANT_ROLE} yet; `graphmill up` or a `graphmill worker`"
            " makes it when it starts"
        )
    if isinstance(error, asyncpg.InsufficientPrivilegeError) and TENANT_ROLE in str(error):
        return SettingsError(
            f"the user of DATABASE_URL may not act as the role {TENANT_ROLE}; `graphmill doctor`"
            " says what an administrator of PostgreSQL runs"
        )
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return SettingsError("PostgreSQL refuses the user or password of DATABASE_URL")
    if isinstance(error, asyncpg.exceptions.ClientConfigurationError):
        return explain_address(error)
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return SettingsError("PostgreSQL has no database of the name that DATABASE_URL gives")
    # OSError too: files are read elsewhere, under words of their own.
    if is_transient(error):
        return Unavailable(
            f"PostgreSQL does not answer ({type(error).__name__}); check that it runs"
            f" (`graphmill up` starts it) and DATABASE_URL{further}"
        )
    return None


def explain_address(error: ValueError) -> SettingsError:
    """For what is raised where asyncpg reads an address, and nobody was asked yet."""
    example = "such as postgresql://USER:PASSWORD@HOST/DATABASE"
    if isinstance(error, asyncpg.exceptions.ClientConfigurationError) and "invalid" not in str(
        error
    ):
        return SettingsError(
            "DATABASE_URL has a part that cannot be used: look at its hosts and ports, and at what"
            f" is behind `?` (sslmode and the like); expected is an address {example}"
        )
    return SettingsError(f"DATABASE_URL is no address; {example}")
