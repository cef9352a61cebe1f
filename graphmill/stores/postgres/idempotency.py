"""Answers to requests that may come again."""

from dataclasses import dataclass

import asyncpg


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """`request`: the digest of what was asked."""

    request: bytes
    body: bytes


class PostgresIdempotency:
    """They are kept for a day, each under its tenant and the key that the sender chose."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def find(self, tenant: str, key: str) -> GivenAnswer | None:
        row = await self._pool.fetchrow(
            "SELECT request, answer FROM idempotent_answers WHERE tenant = $1 AND key = $2"
            f" AND {_KEPT}",
            tenant,
            key,
        )
        return None if row is None else GivenAnswer(row["request"], row["answer"])

    async def keep(self, tenant: str, key: str, answer: GivenAnswer) -> GivenAnswer:
        """Of two that were given at once, the one that was kept."""
        await self._pool.execute(
            "DELETE FROM idempotent_answers WHERE (tenant, key) IN (SELECT tenant, key"
            f" FROM idempotent_answers WHERE NOT {_KEPT} ORDER BY answered_at LIMIT 100)"
        )
        await self._pool.execute(
            "INSERT INTO idempotent_answers (tenant, key, request, answer) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (tenant, key) DO UPDATE SET request = excluded.request,"
            " answer = excluded.answer, answered_at = now()"
            f" WHERE NOT idempotent_answers.{_KEPT}",
            tenant,
            key,
            answer.request,
            answer.body,
        )
        return await self.find(tenant, key) or answer


_KEPT = "answered_at > now() - interval '1 day'"
