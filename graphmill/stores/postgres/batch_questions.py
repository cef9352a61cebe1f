"""Questions that wait for batches, in PostgreSQL."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import asyncpg

from graphmill.llm.calls import Message, Payer, Question, Schema
from graphmill.stores.postgres.database import is_transient
from graphmill.together import Together
from graphmill.tokens import count_tokens

MOST_TRIES = 3
"""So many batches that bring no answer, then a question is left to a direct call."""
# What a line of a batch's file has beside the question's JSON, generously.
_AROUND = 1_000


# Of one statement.
_MOST_PUT = 200


class PostgresBatchQuestions:
    """graphmill.llm.caller.Later. A run puts tens of thousands: those that come at the same moment
    are one statement."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._putting = Together(self._put, _MOST_PUT, name="put down for batches")

    async def put(self, payer: Payer, key: bytes, question: Question) -> None:
        """One that batches have brought no answer to so often stays with direct calls."""
        text = json.dumps(asdict(question), separators=(",", ":"), ensure_ascii=False)
        await self._putting.do(
            (
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
        )

    async def _put(self, rows: Sequence[tuple[object, ...]]) -> list[Exception | None]:
        try:
            await self._pool.execute(_PUT, *map(list, zip(*rows, strict=True)))
        except Exception as error:
            if len(rows) == 1 or is_transient(error):
                return [error] * len(rows)
            # One of them may be all that is wrong: its collection is gone, say.
            return [come for row in rows for come in await self._put([row])]
        return [None] * len(rows)


# In one order, so that no two workers wait for each other's rows.
_PUT = """
INSERT INTO model_batch_questions (run_id, key, tenant, collection, document_id, step, model,
    question, size, prompt_tokens)
SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::text[], $4::text[], $5::uuid[], $6::text[],
    $7::text[], $8::text[], $9::int[], $10::int[]) AS q (run_id, key)
ORDER BY run_id, key
ON CONFLICT (run_id, key) DO NOTHING
"""


def question_from_json(text: str) -> Question:
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
