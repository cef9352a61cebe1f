"""Batches that wait for answers, and the questions in them, in PostgreSQL."""

import hashlib
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from graphmill.batch_messages import BatchRun
from graphmill.errors import Unavailable
from graphmill.llm.batches import (
    Batch,
    BatchedAnswer,
    BatchedQuestion,
    Missing,
    WaitingQuestion,
)
from graphmill.llm.manners import AnswerForm, Manners
from graphmill.models import CollectionKey
from graphmill.run_status import ModelUse
from graphmill.stores.postgres import followed_batches
from graphmill.stores.postgres.batch_questions import MOST_TRIES, question_from_json
from graphmill.stores.postgres.model_accounts import add_use
from graphmill.stores.postgres.session_locks import SessionLocks

# Rows that are read at once: a question has some thousand characters.
_READ_TOGETHER = 500


class PostgresBatchStore:
    """`expiry`: how long an answer counts; None: for ever."""

    def __init__(
        self, pool: asyncpg.Pool, locks: SessionLocks, expiry: timedelta | None = None
    ) -> None:
        self._pool = pool
        self._locks = locks
        self._expiry = expiry

    @asynccontextmanager
    async def alone(self, key: CollectionKey) -> AsyncGenerator[None]:
        """Nobody else sends batches of the collection for as long as the block takes.

        Raises:
            Unavailable: somebody does: an attempt that Temporal holds for dead, and is not yet.
        """
        async with self._locks.hold(f"batches {key.tenant}/{key.name}") as held:
            if not held:
                raise Unavailable("another worker still sends batches of this collection")
            yield

    async def next_model(self, run_id: UUID) -> str | None:
        """Of the questions that wait: a batch is of one model."""
        return await self._pool.fetchval(
            "SELECT min(model) FROM model_batch_questions"
            " WHERE run_id = $1 AND batch IS NULL AND tries < $2",
            run_id,
            MOST_TRIES,
        )

    async def form(
        self,
        run: BatchRun,
        model: str,
        endpoint: str,
        choose: Callable[[Sequence[WaitingQuestion]], tuple[int, int]],
        most_lines: int,
    ) -> Batch | None:
        """As graphmill.llm.batches.BatchStore says."""
        key, run_id = run.key, run.run_id
        async with self._pool.acquire() as connection, connection.transaction():
            await followed_batches.follow(connection, run, self._expiry)
            rows = await connection.fetch(
                "SELECT key, step, size, prompt_tokens FROM model_batch_questions"
                " WHERE run_id = $1 AND model = $2 AND batch IS NULL AND tries < $3"
                " ORDER BY key LIMIT $4",
                run_id,
                model,
                MOST_TRIES,
                most_lines,
            )
            waiting = [WaitingQuestion(*row) for row in rows]
            count, cost = choose(waiting)
            if not count:
                return None
            taken = waiting[:count]
            number = await connection.fetchval("SELECT nextval('model_batch_numbers')")
            digest = _digest(run_id, number, taken)
            await connection.execute(
                "INSERT INTO model_batches (digest, tenant, collection, run_id, endpoint, model,"
                " lines, reserved_nano_usd) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                digest,
                key.tenant,
                key.name,
                run_id,
                endpoint,
                model,
                count,
                cost,
            )
            await connection.execute(
                "UPDATE model_batch_questions SET batch = $2 WHERE run_id = $1 AND key = ANY ($3)",
                run_id,
                digest,
                [one.key for one in taken],
            )
            row = await connection.fetchrow(f"{_SELECT} WHERE digest = $1", digest)
        assert row is not None
        return _batch(row)

    async def open_batches(self, run: BatchRun) -> list[Batch]:
        """Of a run and those of its collection before it, batches whose answers are not collected;
        the oldest first."""
        rows = await self._pool.fetch(
            f"{_SELECT} b WHERE tenant = $1 AND collection = $2 AND NOT EXISTS ("
            "  SELECT FROM runs later JOIN runs this ON later.started_at > this.started_at"
            "  WHERE later.id = b.run_id AND this.id = $3)"
            " ORDER BY formed_at, digest",
            run.key.tenant,
            run.key.name,
            run.run_id,
        )
        return [_batch(row) for row in rows]

    async def follow(self, run: BatchRun) -> int:
        async with self._pool.acquire() as connection, connection.transaction():
            return await followed_batches.follow(connection, run, self._expiry)

    async def unfollow(self, run: BatchRun) -> None:
        await followed_batches.unfollow(self._pool, run)

    async def keep_to_its_run(self, batch: Batch) -> None:
        """Have other runs' questions that wait for it wait for a batch of their own."""
        async with self._pool.acquire() as connection, connection.transaction():
            await _hold(connection, batch)
            await connection.execute(
                "UPDATE model_batches SET shared = false WHERE digest = $1", batch.digest
            )
            await connection.execute(
                "UPDATE model_batch_questions SET batch = NULL WHERE batch = $1 AND run_id <> $2",
                batch.digest,
                batch.run_id,
            )

    async def followed(self, run: BatchRun) -> list[Batch]:
        """Open batches of other collections that hold questions of a run; the oldest first."""
        rows = await self._pool.fetch(
            f"{_SELECT} WHERE digest IN ({followed_batches.DIGESTS}) ORDER BY formed_at, digest",
            run.run_id,
            run.key.name,
        )
        return [_batch(row) for row in rows]

    async def load(self, batch: Batch) -> Batch | None:
        row = await self._pool.fetchrow(f"{_SELECT} WHERE digest = $1", batch.digest)
        return None if row is None else _batch(row)

    async def reserved(self, run_id: UUID) -> int:
        """What the open batches of a run are taken to cost, in 1e-9 dollars."""
        return await self._pool.fetchval(
            "SELECT coalesce(sum(reserved_nano_usd), 0)::bigint FROM model_batches"
            " WHERE run_id = $1",
            run_id,
        )

    async def questions(self, batch: Batch) -> AsyncIterator[BatchedQuestion]:
        """Of a batch, ascending by key; few of them in memory."""
        after = b""
        while rows := await self._pool.fetch(
            "SELECT key, question FROM model_batch_questions"
            " WHERE batch = $1 AND run_id = $2 AND key > $3 ORDER BY key LIMIT $4",
            batch.digest,
            batch.run_id,
            after,
            _READ_TOGETHER,
        ):
            for row in rows:
                yield BatchedQuestion(row["key"], question_from_json(row["question"]))
            after = rows[-1]["key"]

    async def save_file(self, batch: Batch, input_file: str, manners: Manners) -> None:
        """Where the questions are at the endpoint ("" for nowhere), and how they are asked."""
        await self._pool.execute(
            "UPDATE model_batches SET input_file = $2, form = $3, completion_bound = $4,"
            " temperature = $5, answer_tokens = $6, context_tokens = $7 WHERE digest = $1",
            batch.digest,
            input_file,
            manners.form,
            manners.completion_bound,
            manners.temperature,
            manners.answer_tokens,
            manners.context_tokens,
        )

    async def save_remote(self, batch: Batch, remote_id: str) -> None:
        await self._pool.execute(
            "UPDATE model_batches SET remote_id = $2 WHERE digest = $1", batch.digest, remote_id
        )

    async def save_missing(self, batch: Batch, what: Missing) -> timedelta:
        """Its endpoint does not find it; for how long now, without having found it in between."""
        missing = await self._pool.fetchval(
            "UPDATE model_batches SET missing = $2,"
            " missing_since = CASE WHEN missing = $2 THEN missing_since ELSE now() END"
            " WHERE digest = $1 RETURNING now() - missing_since",
            batch.digest,
            what,
        )
        return missing or timedelta(0)  # somebody else has closed it meanwhile

    async def save_found(self, batch: Batch) -> None:
        """Nothing of it is missing any more."""
        await self._pool.execute(
            "UPDATE model_batches SET missing = '', missing_since = NULL WHERE digest = $1",
            batch.digest,
        )

    # ---- answers

    async def save_answers(self, batch: Batch, answers: Sequence[BatchedAnswer]) -> int:
        """Keep what came, on the accounts of who asked; each once, however often it comes. Returns
        how many are new. No two of `answers` are of one question."""
        async with self._pool.acquire() as connection, connection.transaction():
            await _hold(connection, batch)
            rows = await connection.fetch(
                _SAVE_ANSWERS,
                batch.digest,
                batch.endpoint,
                [one.key for one in answers],
                # What PostgreSQL does not take is in no valid answer.
                [_storable(one.text) for one in answers],
                [one.complete for one in answers],
                [one.prompt_tokens for one in answers],
                [one.completion_tokens for one in answers],
                [one.nano_usd for one in answers],
                batch.run_id,
            )
            used: defaultdict[str, ModelUse] = defaultdict(ModelUse)
            for step, *figures in rows:
                used[step] += ModelUse(1, 0, *figures)
            for step, use in sorted(used.items()):
                await add_use(connection, batch.key, batch.run_id, step, batch.model, use)
        return len(rows)

    async def leave(self, batch: Batch, keys: Sequence[bytes]) -> None:
        """Leave these questions of a batch to direct calls: another batch would refuse them too."""
        async with self._pool.acquire() as connection, connection.transaction():
            await _hold(connection, batch)
            await connection.execute(
                "UPDATE model_batch_questions SET tries = $3 WHERE batch = $1 AND key = ANY ($2)",
                batch.digest,
                keys,
                MOST_TRIES,
            )

    async def close(self, batch: Batch, *, counted: bool) -> None:
        """Nothing more comes: what has no answer waits again. `counted`: this was a try."""
        async with self._pool.acquire() as connection, connection.transaction():
            await _hold(connection, batch)
            await connection.execute(
                "UPDATE model_batch_questions SET batch = NULL, tries = tries + $2::int"
                " WHERE batch = $1",
                batch.digest,
                int(counted),
            )
            await connection.execute("DELETE FROM model_batches WHERE digest = $1", batch.digest)

    async def forget_others(self, run: BatchRun) -> None:
        """Of other runs of the collection: questions that are in no batch."""
        await self._pool.execute(
            "DELETE FROM model_batch_questions WHERE tenant = $1 AND collection = $2"
            " AND run_id <> $3 AND batch IS NULL",
            run.key.tenant,
            run.key.name,
            run.run_id,
        )


async def _hold(connection: PoolConnectionProxy, batch: Batch) -> None:
    """Until the transaction ends. Two collections that wait for the same batch may collect it at
    once; and nobody begins to wait for it in between."""
    await connection.execute("SELECT FROM model_batches WHERE digest = $1 FOR UPDATE", batch.digest)


def _digest(run_id: UUID, number: int, taken: Sequence[WaitingQuestion]) -> str:
    """No two batches have the same, though the second may ask again what the first did."""
    digest = hashlib.sha256(f"{run_id} {number}".encode())
    for one in taken:
        digest.update(one.key)
    return digest.hexdigest()


def _batch(row: asyncpg.Record) -> Batch:
    return Batch(
        row["digest"],
        CollectionKey(row["tenant"], row["collection"]),
        row["run_id"],
        row["endpoint"],
        row["model"],
        row["lines"],
        row["formed_at"],
        row["input_file"],
        row["remote_id"],
        Manners(
            AnswerForm(row["form"] or AnswerForm.SCHEMA),
            row["completion_bound"],
            row["temperature"],
            answer_tokens=row["answer_tokens"],
            context_tokens=row["context_tokens"],
        ),
        Missing(row["missing"]),
    )


def _storable(text: str) -> str:
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


_SELECT = "SELECT * FROM model_batches"

_SAVE_ANSWERS = """
WITH came AS (
    SELECT * FROM unnest($3::bytea[], $4::text[], $5::boolean[], $6::int[], $7::int[], $8::bigint[])
        AS c (key, answer, complete, prompt_tokens, completion_tokens, nano_usd)
), taken AS (
    DELETE FROM model_batch_questions q USING came
    WHERE q.batch = $1 AND q.key = came.key RETURNING q.*
)
INSERT INTO model_calls (tenant, key, attempt, valid, batched, unread, answer, collection, run_id,
    document_id, step, model, endpoint, prompt_tokens, completion_tokens, nano_usd)
SELECT t.tenant, t.key,
    (SELECT coalesce(max(m.attempt) + 1, 0) FROM model_calls m
     WHERE m.tenant = t.tenant AND m.key = t.key),
    false, true, c.complete, c.answer, t.collection, t.run_id, t.document_id, t.step, t.model, $2,
    c.prompt_tokens, c.completion_tokens, c.nano_usd
FROM taken t JOIN came c USING (key) WHERE t.run_id = $9
RETURNING step, prompt_tokens, completion_tokens, nano_usd
"""
