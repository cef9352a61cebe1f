"""Questions of a run that are asked already, in an open batch of another one of the tenant's.

Such a question is in that batch too: it gets its answer with it, and waits again where the batch
ends without one. Only who sent the batch asks in it, and pays.
"""

from datetime import timedelta

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from graphmill.batch_messages import BatchRun
from graphmill.stores.postgres.batch_questions import MOST_TRIES

DIGESTS = (
    "SELECT b.digest FROM model_batches b"
    " JOIN model_batch_questions q ON q.batch = b.digest AND q.run_id = $1"
    " WHERE b.collection <> $2"
)
"""Batches of other collections that hold questions of a run ($1) of a collection ($2)."""


async def follow(connection: PoolConnectionProxy, run: BatchRun, expiry: timedelta | None) -> int:
    """As graphmill.llm.batches.BatchStore says; in a transaction. `expiry`: how long an answer
    counts; None: for ever."""
    # One of a tenant at a time: of two that form batches, the second sees that of the first.
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"batches of {run.key.tenant}"
    )
    # Until the end nobody stores an answer of these, or ends them.
    held = await connection.fetch(_HOLD, run.key.tenant, run.run_id)
    answered = await connection.fetch(_FORGET_ANSWERED, run.run_id, expiry)
    await connection.execute(_FOLLOW, run.run_id, [row["digest"] for row in held], MOST_TRIES)
    return len(answered)


async def unfollow(pool: asyncpg.Pool, run: BatchRun) -> None:
    await pool.execute(
        f"UPDATE model_batch_questions SET batch = NULL WHERE run_id = $1 AND batch IN ({DIGESTS})",
        run.run_id,
        run.key.name,
    )


# What is older than a day was given up by who sent it, or nobody looks after it any more.
_HOLD = """
SELECT digest FROM model_batches
WHERE tenant = $1 AND run_id <> $2 AND shared AND formed_at > now() - interval '24 hours'
ORDER BY digest FOR KEY SHARE
"""

_FORGET_ANSWERED = """
DELETE FROM model_batch_questions q
WHERE q.run_id = $1 AND q.batch IS NULL AND EXISTS (
    SELECT FROM model_calls c WHERE c.tenant = q.tenant AND c.key = q.key AND (c.unread
        OR c.valid AND ($2::interval IS NULL OR c.answered_at > now() - $2)))
RETURNING q.key
"""

_FOLLOW = """
UPDATE model_batch_questions q SET batch = asked.batch
FROM (
    SELECT key, min(batch) AS batch FROM model_batch_questions WHERE batch = ANY ($2) GROUP BY key
) asked
WHERE q.run_id = $1 AND q.batch IS NULL AND q.tries < $3 AND q.key = asked.key
"""
