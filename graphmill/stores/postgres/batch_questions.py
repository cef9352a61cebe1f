"""Questions that wait for batches, in PostgreSQL."""

import json
from dataclasses import asdict

import asyncpg

from graphmill.llm.calls import Message, Payer, Question, Schema
from graphmill.tokens import count_tokens

MOST_TRIES = 3
"""So many batches that bring no answer, then a question is left to a direct call."""
# What a line of a batch's file has beside the question's JSON, generously.
_AROUND = 1_000


class PostgresBatchQuestions:
    """graphmill.llm.caller.Later."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def put(self, payer: Payer, key: bytes, question: Question) -> None:
        """One that batches have brought no answer to so often stays with direct calls."""
        text = json.dumps(asdict(question), separators=(",", ":"), ensure_ascii=False)
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
