"""The limits of endpoints in PostgreSQL (graphmill.llm.gate.LimitStore)."""

import dataclasses
import json
from uuid import UUID

import asyncpg

from graphmill.errors import Unavailable
from graphmill.llm.limits import (
    LEASE_SECONDS,
    Ask,
    EndpointState,
    Grant,
    Limits,
    Share,
    Tries,
    decide,
    first_state,
)
from graphmill.stores.postgres.database import is_transient

_LIMITS = tuple(field.name for field in dataclasses.fields(Limits))
_STATE = tuple(field.name for field in dataclasses.fields(EndpointState))
_TRIES = tuple(field.name for field in dataclasses.fields(Tries))
# By name: a migration that adds a column must not fail workers that run.
_SELECT = (
    f"SELECT {', '.join((*_LIMITS, *_STATE))},"
    " extract(epoch FROM clock_timestamp())::float8 AS now"
    " FROM model_endpoints WHERE name = $1 FOR UPDATE"
)
_UPDATE = (
    "UPDATE model_endpoints SET "
    + ", ".join(f"{name} = ${number}" for number, name in enumerate(_STATE, start=2))
    + "".join(f", {name} = {name} + ${n}" for n, name in enumerate(_TRIES, start=2 + len(_STATE)))
    + " WHERE name = $1"
)


class PostgresLimitStore:
    def __init__(self, pool: asyncpg.Pool, session: UUID) -> None:
        self._pool = pool
        self._session = session

    async def declare(self, endpoint: str, limits: Limits) -> None:
        """What the settings say. It counts where they said something else before; what was changed
        by hand since then stays."""
        configured = json.dumps(dataclasses.asdict(limits), sort_keys=True)
        columns = ("name", "configured", *_LIMITS, *_STATE)
        marks = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
        await self._pool.execute(
            f"INSERT INTO model_endpoints AS e ({', '.join(columns)}) VALUES ({marks})"
            " ON CONFLICT (name) DO UPDATE SET configured = excluded.configured, "
            + ", ".join(f"{name} = excluded.{name}" for name in (*_LIMITS, "allowed", "step"))
            + ", ceiling = NULL WHERE e.configured <> excluded.configured",
            endpoint,
            configured,
            *dataclasses.astuple(limits),
            *dataclasses.astuple(first_state(limits)),
        )

    async def exchange(self, endpoint: str, ask: Ask) -> Grant:
        """
        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                return await self._exchange(connection, endpoint, ask)
        except asyncpg.ForeignKeyViolationError as error:
            raise Unavailable("this worker was silent for so long that others forgot it") from error
        except Exception as error:
            if is_transient(error):
                raise Unavailable(
                    f"PostgreSQL does not answer ({type(error).__name__}); no limits are known"
                ) from error
            raise

    async def _exchange(
        self, connection: asyncpg.pool.PoolConnectionProxy, endpoint: str, ask: Ask
    ) -> Grant:
        row = await connection.fetchrow(_SELECT, endpoint)
        if row is None:
            raise Unavailable(f"endpoint {endpoint!r} is not declared")
        others = await connection.fetch(
            "SELECT held, wanted FROM endpoint_shares"
            " JOIN model_sessions s ON s.id = session"
            " WHERE endpoint = $1 AND session <> $2"
            " AND s.seen_at > now() - make_interval(secs => $3)",
            endpoint,
            self._session,
            LEASE_SECONDS,
        )
        before = EndpointState(
            **{name: row[name] for name in _STATE if name != "token_window"},
            token_window=tuple(row["token_window"]),
        )
        state, grant = decide(
            Limits(**{name: row[name] for name in _LIMITS}),
            before,
            ask,
            [Share(other["held"], other["wanted"]) for other in others],
            row["now"],
        )
        tries = dataclasses.astuple(ask.tries)
        if state != before or any(tries):
            await connection.execute(_UPDATE, endpoint, *dataclasses.astuple(state), *tries)
        await connection.execute(
            "INSERT INTO endpoint_shares (endpoint, session, held, wanted) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (endpoint, session) DO UPDATE SET held = excluded.held,"
            " wanted = excluded.wanted",
            endpoint,
            self._session,
            max(grant.places, ask.in_flight),
            ask.wanted,
        )
        return grant
