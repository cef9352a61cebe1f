"""Answers of models in PostgreSQL (graphmill.llm.caller.CallStore)."""

from datetime import timedelta
from uuid import UUID

import asyncpg

from graphmill.llm.caller import Stored, Unread
from graphmill.llm.calls import ModelAnswer, Payer, Question
from graphmill.llm.limits import LEASE_SECONDS
from graphmill.stores.postgres.model_accounts import ACCOUNT_COLUMNS, ADD_TO_ACCOUNT, any_slot


class PostgresCallStore:
    """`expiry`: how long an answer counts; None: for ever."""

    def __init__(self, pool: asyncpg.Pool, session: UUID, expiry: timedelta | None = None) -> None:
        self._pool = pool
        self._session = session
        self._expiry = expiry

    async def claim(self, payer: Payer, key: bytes) -> Stored:
        row = await self._pool.fetchrow(
            "SELECT * FROM claim_model_call($1, $2, $3, $4, $5, $6)",
            payer.key.tenant,
            key,
            payer.run_id,
            self._session,
            self._expiry,
            LEASE_SECONDS,
        )
        assert row is not None  # the function returns one
        if row["answer"] is not None:
            return Stored(row["answer"], of_own_batch=row["of_own_batch"])
        if not row["claimed"]:
            return Stored(None)
        unread = None
        if row["unread"] is not None:
            unread = Unread(row["unread"], row["unread_attempt"])
        return Stored(
            None, row["bad_answers"], claimed=True, unread=unread, last_bad=row["last_bad"]
        )

    async def save(
        self, payer: Payer, key: bytes, question: Question, answer: ModelAnswer, *, valid: bool
    ) -> None:
        await self._pool.execute(
            _SAVE,
            payer.key.tenant,
            key,
            valid,
            # What PostgreSQL does not take is in no valid answer; a bad one is kept for people.
            answer.text.replace("\0", "\ufffd").encode("utf-8", "replace").decode(),
            payer.key.name,
            payer.run_id,
            payer.document_id,
            payer.step,
            question.model,
            answer.endpoint,
            answer.prompt_tokens,
            answer.completion_tokens,
            answer.nano_usd,
            self._session,
            any_slot(),
        )

    async def note_read(self, payer: Payer, key: bytes, unread: Unread, *, valid: bool) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "UPDATE model_calls SET unread = false, valid = $4"
                " WHERE tenant = $1 AND key = $2 AND attempt = $3 AND unread",
                payer.key.tenant,
                key,
                unread.attempt,
                valid,
            )
            if valid:
                await connection.execute(_RELEASE, payer.key.tenant, key, self._session)

    async def release(self, payer: Payer, key: bytes) -> None:
        await self._pool.execute(_RELEASE, payer.key.tenant, key, self._session)


_RELEASE = "DELETE FROM model_claims WHERE tenant = $1 AND key = $2 AND session = $3"
# One statement, and so one transaction: the answer, the end of its claim, and its run's account.
_SAVE = f"""
WITH kept AS (
    INSERT INTO model_calls (tenant, key, attempt, valid, answer, collection, run_id, document_id,
        step, model, endpoint, prompt_tokens, completion_tokens, nano_usd)
    SELECT $1, $2, coalesce(max(attempt) + 1, 0), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13
    FROM model_calls WHERE tenant = $1 AND key = $2
), released AS (
    DELETE FROM model_claims WHERE $3 AND tenant = $1 AND key = $2 AND session = $14
)
INSERT INTO model_accounts AS a ({ACCOUNT_COLUMNS})
SELECT $6::uuid, $8, $9, $15, $1, $5, 1, $11, $12, $13 WHERE $6::uuid IS NOT NULL
{ADD_TO_ACCOUNT}
"""
