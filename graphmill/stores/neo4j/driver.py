"""The driver by which Neo4j is reached, and what its errors mean."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, LiteralString

from neo4j import AsyncDriver, AsyncGraphDatabase, RoutingControl
from neo4j.exceptions import AuthError, ConfigurationError, DriverError, Neo4jError

from graphmill.errors import SettingsError, Unavailable
from graphmill.settings import Settings
from graphmill.telemetry.spans import call_span
from graphmill.telemetry.statements import statement_span

# How long a transaction is tried again where its error passes; whoever called tries again too.
_RETRY_SECONDS = 5.0
_CONNECT_SECONDS = 5.0


@asynccontextmanager
async def open_driver(settings: Settings) -> AsyncGenerator[AsyncDriver]:
    """Connected to when it is first used.

    Raises:
        SettingsError: NEO4J_URI is no address of Neo4j.
    """
    assert settings.neo4j_uri is not None
    auth = (settings.neo4j_username, settings.neo4j_password) if settings.neo4j_password else None
    try:
        # Its keyword arguments have no types.
        driver = AsyncGraphDatabase.driver(  # pyright: ignore[reportUnknownMemberType]
            settings.neo4j_uri,
            auth=auth,
            max_connection_pool_size=settings.neo4j_connections,
            connection_timeout=_CONNECT_SECONDS,
            connection_acquisition_timeout=_CONNECT_SECONDS,
            max_transaction_retry_time=_RETRY_SECONDS,
            # Words of the server about our statements are for us, not for an operator's log.
            notifications_min_severity="OFF",
            user_agent="graphmill",
        )
    except (ConfigurationError, ValueError) as error:
        raise SettingsError(
            "NEO4J_URI is no address of Neo4j; expected is one such as neo4j://HOST:7687 or"
            " bolt://HOST:7687"
        ) from error
    async with driver:
        yield driver


async def run(
    driver: AsyncDriver,
    statement: LiteralString,
    parameters: Mapping[str, Any],
    *,
    read: bool = False,
) -> list[dict[str, Any]]:
    """One statement in a transaction of its own, tried again by the driver for a while where it
    may be.

    Raises:
        Unavailable: it fails.
    """
    try:
        with call_span(*statement_span("neo4j", statement)):
            result = await driver.execute_query(
                statement,
                dict(parameters),
                routing_=RoutingControl.READ if read else RoutingControl.WRITE,
            )
    except (DriverError, Neo4jError) as error:
        raise unavailable(error) from error
    return [record.data() for record in result.records]


def unavailable(error: DriverError | Neo4jError) -> Unavailable:
    """In plain words, without the address and what was sent."""
    if isinstance(error, AuthError):
        return Unavailable("Neo4j refuses the user or password (NEO4J_USERNAME, NEO4J_PASSWORD)")
    kind = error.code if isinstance(error, Neo4jError) and error.code else type(error).__name__
    return Unavailable(f"Neo4j does not answer or refuses ({kind}); check NEO4J_URI")
