"""Keys of the HTTP API."""

from collections.abc import Sequence
from datetime import timedelta

import asyncpg

from graphmill.api_keys import ApiKey, Caller, GivenKey, InvalidKey, NewSecret, Scope
from graphmill.errors import NotFound


class PostgresApiKeys:
    """Those of the tenant that is acted for."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def create(
        self,
        tenant: str,
        secret: NewSecret,
        name: str,
        scopes: Sequence[Scope],
        lifetime: timedelta | None,
    ) -> ApiKey:
        row = await self._pool.fetchrow(
            "INSERT INTO api_keys (id, tenant, name, digest, scopes, expires_at)"
            " VALUES ($1, $2, $3, $4, $5, now() + $6::interval) RETURNING *",
            secret.id,
            tenant,
            name,
            secret.digest,
            [str(scope) for scope in scopes],
            lifetime,
        )
        assert row is not None
        return _key(row)

    async def list(self, tenant: str) -> tuple[ApiKey, ...]:
        """Those that were revoked too, the oldest first."""
        rows = await self._pool.fetch(
            "SELECT * FROM api_keys WHERE tenant = $1 ORDER BY created_at, id", tenant
        )
        return tuple(map(_key, rows))

    async def revoke(self, tenant: str, id: str) -> ApiKey:
        """One that was revoked before stays so since then.

        Raises:
            NotFound: the tenant has no such key.
        """
        row = await self._pool.fetchrow(
            "UPDATE api_keys SET revoked_at = coalesce(revoked_at, now())"
            " WHERE tenant = $1 AND id = $2 RETURNING *",
            tenant,
            id,
        )
        if row is None:
            raise NotFound(
                f"tenant {tenant!r} has no API key {id!r}; `graphmill keys list` shows those it has"
            )
        return _key(row)


class PostgresKeyring:
    """Who has sent a key. It sees the keys of all tenants, since nobody knows yet whose it is."""

    def __init__(self, fleet: asyncpg.Pool) -> None:
        self._fleet = fleet

    async def caller(self, given: GivenKey) -> Caller:
        """
        Raises:
            InvalidKey: there is no such key, it was revoked, or its time is over.
        """
        row = await self._fleet.fetchrow(
            "SELECT tenant, digest, scopes,"
            " last_used_at >= now() - interval '1 minute' AS noted FROM api_keys"
            " WHERE id = $1 AND revoked_at IS NULL"
            " AND (expires_at IS NULL OR expires_at > now())",
            given.id,
        )
        # Of what is wrong nothing more is told: whoever guesses learns nothing.
        if row is None or not given.fits(row["digest"]):
            raise InvalidKey("the API key is not valid: it is unknown, was revoked or has expired")
        if not row["noted"]:
            await self._fleet.execute(
                "UPDATE api_keys SET last_used_at = now() WHERE id = $1"
                " AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')",
                given.id,
            )
        return Caller(row["tenant"], frozenset(_scopes(row["scopes"])))


def _scopes(stored: Sequence[str]) -> tuple[Scope, ...]:
    # A later release may know more.
    return tuple(scope for scope in Scope if scope in stored)


def _key(row: asyncpg.Record) -> ApiKey:
    return ApiKey(
        id=row["id"],
        tenant=row["tenant"],
        name=row["name"],
        scopes=_scopes(row["scopes"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )
