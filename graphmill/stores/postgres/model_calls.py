"""Answers of models in PostgreSQL (graphmill.llm.caller.CallStore)."""

from datetime import timedelta
from uuid import UUID

import asyncpg

from graphmill.llm.caller import Stored, Unread
from graphmill.llm.calls import ModelAnswer, Payer, Question
from graphmill.llm.limits import LEASE_SECONDS
from graphmill.stores.postgres.model_accounts import add_answer


class PostgresCallStore:
    """`expiry`: how long an answer counts; None: for ever."""

    def __init__(self, pool: asyncpg.Pool, session: UUID, expiry: timedelta | None = None) -> None:
        self._pool = pool
        self._session = session
        self._expiry = expiry

    async def claim(self, payer: Payer, key: bytes) -> Stored:
        row = await self._look_up(payer, key)
        if row is not None and row["answer"] is not None:
            return _known(row)
        claimed = await self._pool.fetchval(
            "INSERT INTO model_claims AS c (tenant, key, session) VALUES ($1, $2, $3)"
            " ON CONFLICT (tenant, key) DO UPDATE SET session = excluded.session"
            " WHERE c.session = excluded.session OR NOT EXISTS ("
            "   SELECT FROM model_sessions s WHERE s.id = c.session"
            "   AND s.seen_at > now() - make_interval(secs => $4))"
            " RETURNING true",
            payer.key.tenant,
            key,
            self._session,
            LEASE_SECONDS,
        )
        if not claimed:
            return Stored(None)
        # Whoever held the claim before may have stored an answer since we looked.
        row = await self._look_up(payer, key)
        if row is not None and row["answer"] is not None:
            await self.release(payer, key)
            return _known(row)
        if row is None:
            return Stored(None, claimed=True)
        unread = None
        if row["unread"] is not None:
            unread = Unread(row["unread"], row["unread_attempt"])
        return Stored(None, row["bad_answers"], claimed=True, unread=unread)

    async def save(
        self, payer: Payer, key: bytes, question: Question, answer: ModelAnswer, *, valid: bool
    ) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO model_calls (tenant, key, attempt, valid, answer, collection, run_id,"
                " document_id, step, model, endpoint, prompt_tokens, completion_tokens, nano_usd)"
                " SELECT $1, $2, coalesce(max(attempt) + 1, 0), $3, $4, $5, $6, $7, $8, $9, $10,"
                " $11, $12, $13 FROM model_calls WHERE tenant = $1 AND key = $2",
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
            )
            if valid:
                await connection.execute(_RELEASE, payer.key.tenant, key, self._session)
            # Last, because its row is locked until the end.
            await add_answer(connection, payer, question.model, answer)

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

    async def _look_up(self, payer: Payer, key: bytes) -> asyncpg.Record | None:
        return await self._pool.fetchrow(
            "SELECT (array_agg(answer ORDER BY attempt DESC) FILTER ("
            "   WHERE valid AND ($4::interval IS NULL OR answered_at > now() - $4)))[1] AS answer,"
            " (array_agg(answer ORDER BY attempt) FILTER (WHERE unread))[1] AS unread,"
            " min(attempt) FILTER (WHERE unread) AS unread_attempt,"
            " bool_or(valid AND batched AND run_id = $3) IS TRUE AS of_own_batch,"
            " count(*) FILTER (WHERE NOT valid AND NOT unread AND run_id IS NOT DISTINCT FROM $3)"
            " AS bad_answers"
            " FROM model_calls WHERE tenant = $1 AND key = $2",
            payer.key.tenant,
            key,
            payer.run_id,
            self._expiry,
        )


_RELEASE = "DELETE FROM model_claims WHERE tenant = $1 AND key = $2 AND session = $3"


def _known(row: asyncpg.Record) -> Stored:
    return Stored(row["answer"], of_own_batch=row["of_own_batch"])
