"""Answers of models in PostgreSQL (graphmill.llm.caller.CallStore).

Who asks at the same moment shares a statement: a burst of calls would be held up by the claims of
its questions, and a commit for each answer is what costs the server most.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg

from graphmill.llm.caller import Stored, Unread
from graphmill.llm.calls import ModelAnswer, Payer, Question
from graphmill.llm.limits import LEASE_SECONDS
from graphmill.stores.postgres.database import is_transient
from graphmill.stores.postgres.keeping import keep_trying
from graphmill.stores.postgres.model_accounts import ACCOUNT_COLUMNS, ADD_TO_ACCOUNT, any_slot
from graphmill.stores.postgres.model_claims import RELEASE_CLAIMS, ReturnedClaims
from graphmill.together import Together

# Of one statement: it holds its locks until its end.
_MOST_CLAIMS = 50
_MOST_ANSWERS = 50


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A question that somebody wants to ask."""

    payer: Payer
    key: bytes


@dataclass(frozen=True, slots=True)
class _Kept:
    """A paid answer on its way; by its `id` it is known if it is written again. `since`: when it
    came (time.monotonic())."""

    payer: Payer
    key: bytes
    model: str
    answer: ModelAnswer
    valid: bool
    id: UUID = field(default_factory=uuid4)
    since: float = field(default_factory=time.monotonic)


class PostgresCallStore:
    """`expiry`: how long an answer counts; None: for ever."""

    def __init__(self, pool: asyncpg.Pool, session: UUID, expiry: timedelta | None = None) -> None:
        self._pool = pool
        self._session = session
        self._expiry = expiry
        self._returned = ReturnedClaims(pool, session)
        self._claiming = Together(
            self._claim, _MOST_CLAIMS, self._return, name="claim model answers"
        )
        self._keeping = Together(self._keep, _MOST_ANSWERS, name="keep model answers")

    async def aclose(self) -> None:
        """When nobody asks any more; answers that are on their way are kept first."""
        await self._keeping.close()
        await self._returned.close()

    async def claim(self, payer: Payer, key: bytes) -> Stored:
        return await self._claiming.do(_Wanted(payer, key))

    async def save(
        self, payer: Payer, key: bytes, question: Question, answer: ModelAnswer, *, valid: bool
    ) -> None:
        """Once, though the database may be away for a while: it is paid for."""
        await self._keeping.do(_Kept(payer, key, question.model, answer, valid))

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
                await connection.execute(RELEASE_CLAIMS, [payer.key.tenant], [key], self._session)

    def release(self, payer: Payer, key: bytes) -> None:
        """At once, or as soon as the database can be told."""
        self._returned.add(payer.key.tenant, [key])

    def _return(self, wanted: _Wanted) -> None:
        self._returned.add(wanted.payer.key.tenant, [wanted.key])

    async def _claim(self, wanted: Sequence[_Wanted]) -> list[Stored]:
        # In one order, so that no two workers wait for each other's claims.
        order = sorted(
            range(len(wanted)), key=lambda n: (wanted[n].payer.key.tenant, wanted[n].key)
        )
        ordered = [wanted[number] for number in order]
        async with self._returned.told():
            try:
                rows = await self._pool.fetch(
                    _CLAIM,
                    [one.payer.key.tenant for one in ordered],
                    [one.key for one in ordered],
                    [one.payer.run_id for one in ordered],
                    self._session,
                    self._expiry,
                    LEASE_SECONDS,
                )
            except BaseException:
                # They may have been given: whether they were, nobody here will hear.
                for one in wanted:
                    self._return(one)
                raise
        found = {number: _stored(row) for number, row in zip(order, rows, strict=True)}
        return [found[number] for number in range(len(wanted))]

    async def _keep(self, kept: Sequence[_Kept]) -> list[Exception | None]:
        slot = any_slot()
        try:
            await keep_trying(lambda: self._write(kept, slot), max(one.since for one in kept))
        except Exception as error:
            if len(kept) == 1 or is_transient(error):
                return [error] * len(kept)
            # One of them may be all that is wrong: its collection is gone, say.
            return [come for one in kept for come in await self._keep([one])]
        return [None] * len(kept)

    async def _write(self, kept: Sequence[_Kept], slot: int) -> None:
        await self._pool.execute(
            _SAVE,
            [one.payer.key.tenant for one in kept],
            [one.key for one in kept],
            [one.valid for one in kept],
            [_storable(one.answer.text) for one in kept],
            [one.payer.key.name for one in kept],
            [one.payer.run_id for one in kept],
            [one.payer.document_id for one in kept],
            [one.payer.step for one in kept],
            [one.model for one in kept],
            [one.answer.endpoint for one in kept],
            [one.answer.prompt_tokens for one in kept],
            [one.answer.completion_tokens for one in kept],
            [one.answer.nano_usd for one in kept],
            [one.id for one in kept],
            self._session,
            slot,
        )


def _stored(row: asyncpg.Record) -> Stored:
    if row["answer"] is not None:
        return Stored(row["answer"], of_own_batch=row["of_own_batch"])
    if not row["claimed"]:
        return Stored(None)
    unread = None
    if row["unread"] is not None:
        unread = Unread(row["unread"], row["unread_attempt"])
    return Stored(None, row["bad_answers"], claimed=True, unread=unread, last_bad=row["last_bad"])


def _storable(text: str) -> str:
    """What PostgreSQL does not take is in no valid answer; a bad one is kept for people."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


_CLAIM = """
SELECT c.* FROM unnest($1::text[], $2::bytea[], $3::uuid[]) WITH ORDINALITY
    AS g (tenant, key, run_id, place)
CROSS JOIN LATERAL claim_model_call(g.tenant, g.key, g.run_id, $4, $5, $6) AS c
ORDER BY g.place
"""
# One statement, and so one transaction: answers, the end of their claims, and their runs' accounts.
_SAVE = f"""
WITH given AS (
    SELECT * FROM unnest($1::text[], $2::bytea[], $3::boolean[], $4::text[], $5::text[],
        $6::uuid[], $7::uuid[], $8::text[], $9::text[], $10::text[], $11::int[], $12::int[],
        $13::bigint[], $14::uuid[]) AS g (tenant, key, valid, answer, collection, run_id,
        document_id, step, model, endpoint, prompt_tokens, completion_tokens, nano_usd, paid)
), kept AS (
    INSERT INTO model_calls (tenant, key, attempt, valid, answer, collection, run_id, document_id,
        step, model, endpoint, prompt_tokens, completion_tokens, nano_usd, paid)
    SELECT g.tenant, g.key, (
            SELECT coalesce(max(c.attempt) + 1, 0) FROM model_calls c
            WHERE c.tenant = g.tenant AND c.key = g.key
        ), g.valid, g.answer, g.collection, g.run_id, g.document_id,
        g.step, g.model, g.endpoint, g.prompt_tokens, g.completion_tokens, g.nano_usd, g.paid
    FROM given g WHERE NOT EXISTS (
        SELECT FROM model_calls c WHERE c.tenant = g.tenant AND c.key = g.key AND c.paid = g.paid)
    RETURNING *
), released AS (
    DELETE FROM model_claims held USING given g
    WHERE g.valid AND held.tenant = g.tenant AND held.key = g.key AND held.session = $15
)
INSERT INTO model_accounts AS a ({ACCOUNT_COLUMNS})
SELECT run_id, step, model, $16, tenant, collection, count(*), sum(prompt_tokens),
    sum(completion_tokens), sum(nano_usd)
FROM kept WHERE run_id IS NOT NULL
GROUP BY run_id, step, model, tenant, collection
ORDER BY run_id, step, model
{ADD_TO_ACCOUNT}
"""
