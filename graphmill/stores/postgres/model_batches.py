"""Questions that wait for batches, and batches that wait for answers, in PostgreSQL."""

import hashlib
import json
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from uuid import UUID

import asyncpg

from graphmill.errors import Unavailable
from graphmill.llm.batches import Batch, BatchedAnswer, BatchedQuestion, WaitingQuestion
from graphmill.llm.calls import Message, Payer, Question, Schema
from graphmill.llm.manners import AnswerForm, Manners
from graphmill.models import CollectionKey
from graphmill.run_status import ModelUse
from graphmill.stores.postgres.model_accounts import add_use
from graphmill.tokens import count_tokens

# So many batches that bring no answer, then a question is left to a direct call.
_MOST_TRIES = 3
# What a line of a batch's file has beside the question's JSON, generously.
_AROUND = 1_000
# Rows that are read at once: a question has some thousand characters.
_READ_TOGETHER = 500


class PostgresBatchStore:
    """Also graphmill.llm.caller.Later."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def alone(self, key: CollectionKey) -> AsyncGenerator[None]:
        """Nobody else sends batches of the collection for as long as the block takes.

        Raises:
            Unavailable: somebody does: an attempt that Temporal holds for dead, and is not yet.
        """
        async with self._pool.acquire() as connection:
            lock = f"batches {key.tenant}/{key.name}"
            if not await connection.fetchval(
                "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", lock
            ):
                raise Unavailable("another worker still sends batches of this collection")
            try:
                yield
            finally:
                try:
                    await connection.execute(
                        "SELECT pg_advisory_unlock(hashtextextended($1, 0))", lock
                    )
                except BaseException:
                    connection.terminate()  # or it would keep the lock in the pool
                    raise

    # ---- questions

    async def put(self, payer: Payer, key: bytes, question: Question) -> None:
        """One that batches have brought no answer to so often stays with direct calls."""
        text = _question_to_json(question)
        await self._pool.execute(
            "INSERT INTO model_batch_questions (run_id, key, tenant, collection, document_id, step,"
            " model, question, size, prompt_tokens)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
            " ON CONFLICT (run_id, key) DO NOTHING",
            payer.run_id,
            key,
            payer.key.tenant,
            payer.key.name,
            payer.document_id,
            payer.step,
            question.model,
            text,
            len(text.encode()) + _AROUND,
            sum(count_tokens(said.content) for said in question.messages),
        )

    async def next_model(self, run_id: UUID) -> str | None:
        """Of the questions that wait: a batch is of one model."""
        return await self._pool.fetchval(
            "SELECT min(model) FROM model_batch_questions"
            " WHERE run_id = $1 AND batch IS NULL AND tries < $2",
            run_id,
            _MOST_TRIES,
        )

    # ---- batches

    async def form(
        self,
        key: CollectionKey,
        run_id: UUID,
        model: str,
        endpoint: str,
        choose: Callable[[Sequence[WaitingQuestion]], tuple[int, int]],
        most_lines: int,
    ) -> Batch | None:
        """Make a batch of the questions to a model that wait; None where none is taken.

        Args:
            choose: of these, ascending by key, the first so many; and what they are taken to cost.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(
                "SELECT key, step, size, prompt_tokens FROM model_batch_questions"
                " WHERE run_id = $1 AND model = $2 AND batch IS NULL AND tries < $3"
                " ORDER BY key LIMIT $4",
                run_id,
                model,
                _MOST_TRIES,
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

    async def open_batches(self, key: CollectionKey) -> list[Batch]:
        """Of all runs of a collection, those whose answers are not collected; the oldest first."""
        rows = await self._pool.fetch(
            f"{_SELECT} WHERE tenant = $1 AND collection = $2 ORDER BY formed_at, digest",
            key.tenant,
            key.name,
        )
        return [_batch(row) for row in rows]

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
            "SELECT key, question FROM model_batch_questions WHERE batch = $1 AND key > $2"
            " ORDER BY key LIMIT $3",
            batch.digest,
            after,
            _READ_TOGETHER,
        ):
            for row in rows:
                yield BatchedQuestion(row["key"], _question_from_json(row["question"]))
            after = rows[-1]["key"]

    async def save_file(self, batch: Batch, input_file: str, manners: Manners) -> None:
        """Where the questions are at the endpoint ("" for nowhere), and how they are asked."""
        await self._pool.execute(
            "UPDATE model_batches SET input_file = $2, form = $3, completion_bound = $4,"
            " temperature = $5 WHERE digest = $1",
            batch.digest,
            input_file,
            manners.form,
            manners.completion_bound,
            manners.temperature,
        )

    async def save_remote(self, batch: Batch, remote_id: str) -> None:
        await self._pool.execute(
            "UPDATE model_batches SET remote_id = $2 WHERE digest = $1", batch.digest, remote_id
        )

    # ---- answers

    async def save_answers(self, batch: Batch, answers: Sequence[BatchedAnswer]) -> int:
        """Keep what came, on the accounts of who asked; each once, however often it comes. Returns
        how many are new. No two of `answers` are of one question."""
        async with self._pool.acquire() as connection, connection.transaction():
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
            )
            used: defaultdict[str, ModelUse] = defaultdict(ModelUse)
            for step, *figures in rows:
                used[step] += ModelUse(1, 0, *figures)
            for step, use in sorted(used.items()):
                await add_use(connection, batch.key, batch.run_id, step, batch.model, use)
        return len(rows)

    async def leave(self, batch: Batch, keys: Sequence[bytes]) -> None:
        """Leave these questions of a batch to direct calls: another batch would refuse them too."""
        await self._pool.execute(
            "UPDATE model_batch_questions SET tries = $3 WHERE batch = $1 AND key = ANY ($2)",
            batch.digest,
            keys,
            _MOST_TRIES,
        )

    async def close(self, batch: Batch, *, counted: bool) -> None:
        """Nothing more comes: what has no answer waits again. `counted`: this was a try."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "UPDATE model_batch_questions SET batch = NULL, tries = tries + $2::int"
                " WHERE batch = $1",
                batch.digest,
                int(counted),
            )
            await connection.execute("DELETE FROM model_batches WHERE digest = $1", batch.digest)

    async def forget_others(self, key: CollectionKey, run_id: UUID) -> None:
        """Of other runs of the collection: questions that are in no batch."""
        await self._pool.execute(
            "DELETE FROM model_batch_questions WHERE tenant = $1 AND collection = $2"
            " AND run_id <> $3 AND batch IS NULL",
            key.tenant,
            key.name,
            run_id,
        )


def _digest(run_id: UUID, number: int, taken: Sequence[WaitingQuestion]) -> str:
    """No two batches have the same, though the second may ask again what the first did."""
    digest = hashlib.sha256(f"{run_id} {number}".encode())
    for one in taken:
        digest.update(one.key)
    return digest.hexdigest()


def _question_to_json(question: Question) -> str:
    return json.dumps(asdict(question), separators=(",", ":"), ensure_ascii=False)


def _question_from_json(text: str) -> Question:
    given = json.loads(text)
    schema = given["schema"]
    return Question(
        given["prompt"],
        given["model"],
        tuple(Message(**message) for message in given["messages"]),
        None if schema is None else Schema(**schema),
        given["max_tokens"],
        given["temperature"],
    )


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
        ),
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
FROM taken t JOIN came c USING (key)
RETURNING step, prompt_tokens, completion_tokens, nano_usd
"""
