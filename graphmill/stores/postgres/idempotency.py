"""Answers to requests that may come again."""

from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg

# In the place of an answer that is not there yet; answers are JSON, and never empty.
_NONE_YET = b""
_KEPT = "answered_at > now() - interval '1 day'"
_REMOVED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """`request`: the digest of what was asked. `body`: None while it is being done, or whoever did
    it has died. `claim`: of the request that came first with its key. `first`: it is this one."""

    request: bytes
    body: bytes | None
    claim: UUID
    first: bool = False


class PostgresIdempotency:
    """They are kept for a day, each under its tenant and the key that the sender chose."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def begin(self, tenant: str, key: str, request: bytes) -> GivenAnswer:
        """The key is this request's from now on, unless it is one's already: that one."""
        claim = uuid4()
        # One statement, which always has a row to give: between two, the row might go.
        row = await self._pool.fetchrow(
            "INSERT INTO idempotent_answers AS old (tenant, key, request, answer, claim)"
            " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, key) DO UPDATE SET"
            f" {_unless(f'old.{_KEPT}', 'request', 'answer', 'claim', 'answered_at')}"
            " RETURNING request, answer, claim",
            tenant,
            key,
            request,
            _NONE_YET,
            claim,
        )
        assert row is not None
        return _given(row, claim)

    async def keep(
        self, tenant: str, key: str, request: bytes, body: bytes, claim: UUID
    ) -> GivenAnswer:
        """Of two that were given at once to one request, the one that was kept."""
        row = await self._pool.fetchrow(
            "INSERT INTO idempotent_answers AS old (tenant, key, request, answer, claim)"
            " VALUES ($1, $2, $3, $4, $6) ON CONFLICT (tenant, key) DO UPDATE SET"
            f" {_unless('old.request <> $3 OR old.answer <> $5', 'answer', 'answered_at')}"
            " RETURNING request, answer, claim",
            tenant,
            key,
            request,
            body,
            _NONE_YET,
            claim,
        )
        assert row is not None
        return _given(row, claim)

    async def give_up(self, tenant: str, key: str, claim: UUID) -> None:
        """It failed: the key is nobody's, unless the same request was answered meanwhile."""
        await self._pool.execute(
            "DELETE FROM idempotent_answers"
            " WHERE tenant = $1 AND key = $2 AND claim = $3 AND answer = $4",
            tenant,
            key,
            claim,
            _NONE_YET,
        )

    async def forget_old(self) -> None:
        """Those of all tenants whose rows the pool may see; by one process at a time, some at
        once, so that no lock and no transaction lasts for long."""
        while await self._forget_some():
            pass

    async def _forget_some(self) -> bool:
        """Whether there may be more."""
        async with self._pool.acquire() as connection, connection.transaction():
            alone: bool = await connection.fetchval(
                "SELECT pg_try_advisory_xact_lock(hashtextextended('idempotent answers', 0))"
            )
            if not alone:
                return False
            done: str = await connection.execute(
                "DELETE FROM idempotent_answers WHERE ctid = ANY(ARRAY(SELECT ctid"
                f" FROM idempotent_answers WHERE NOT {_KEPT} LIMIT $1))",
                _REMOVED_AT_ONCE,
            )
            return done == f"DELETE {_REMOVED_AT_ONCE}"


def _unless(kept: str, *columns: str) -> str:
    """A conflict's new values, but where what is there stays."""
    return ", ".join(
        f"{name} = CASE WHEN {kept} THEN old.{name} ELSE excluded.{name} END" for name in columns
    )


def _given(row: asyncpg.Record, claim: UUID) -> GivenAnswer:
    return GivenAnswer(
        row["request"], row["answer"] or None, row["claim"], first=row["claim"] == claim
    )
