"""Answers to requests that may come again."""

from dataclasses import dataclass

import asyncpg

# In the place of an answer that is not there yet; answers are JSON, and never empty.
_NONE_YET = b""
_KEPT = "answered_at > now() - interval '1 day'"


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """`request`: the digest of what was asked. `body`: None while it is being done, or whoever did
    it has died."""

    request: bytes
    body: bytes | None


class PostgresIdempotency:
    """They are kept for a day, each under its tenant and the key that the sender chose."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def begin(self, tenant: str, key: str, request: bytes) -> GivenAnswer:
        """The key is this request's from now on, unless it is one's already: that one."""
        await self._pool.execute(
            "INSERT INTO idempotent_answers (tenant, key, request, answer) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (tenant, key) DO UPDATE SET request = excluded.request,"
            " answer = excluded.answer, answered_at = now()"
            f" WHERE NOT idempotent_answers.{_KEPT}",
            tenant,
            key,
            request,
            _NONE_YET,
        )
        return await self._find(tenant, key) or GivenAnswer(request, None)

    async def keep(self, tenant: str, key: str, request: bytes, body: bytes) -> GivenAnswer:
        """Of two that were given at once to one request, the one that was kept."""
        await self._pool.execute(
            "INSERT INTO idempotent_answers (tenant, key, request, answer) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (tenant, key) DO UPDATE SET answer = excluded.answer, answered_at = now()"
            " WHERE idempotent_answers.request = excluded.request"
            " AND idempotent_answers.answer = $5",
            tenant,
            key,
            request,
            body,
            _NONE_YET,
        )
        return await self._find(tenant, key) or GivenAnswer(request, body)

    async def give_up(self, tenant: str, key: str, request: bytes) -> None:
        """It failed: the key is nobody's, unless the same request was answered meanwhile."""
        await self._pool.execute(
            "DELETE FROM idempotent_answers"
            " WHERE tenant = $1 AND key = $2 AND request = $3 AND answer = $4",
            tenant,
            key,
            request,
            _NONE_YET,
        )

    async def forget_old(self) -> None:
        """Those of all tenants whose rows the pool may see."""
        await self._pool.execute(f"DELETE FROM idempotent_answers WHERE NOT {_KEPT}")

    async def _find(self, tenant: str, key: str) -> GivenAnswer | None:
        row = await self._pool.fetchrow(
            "SELECT request, answer FROM idempotent_answers WHERE tenant = $1 AND key = $2",
            tenant,
            key,
        )
        return None if row is None else GivenAnswer(row["request"], row["answer"] or None)
