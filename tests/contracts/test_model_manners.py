"""MannersMemory: what one process found out, another knows."""

import asyncpg

from graphmill.llm.manners import AnswerForm, Manners
from graphmill.stores.postgres.model_manners import PostgresManners

URL = "http://one.example/v1"


async def test_what_was_found_out_is_known_for_a_day(pool: asyncpg.Pool) -> None:
    memory = PostgresManners(pool)
    assert await memory.load(URL, "a-model") is None
    await memory.save(URL, "a-model", Manners(AnswerForm.OBJECT))
    found = Manners(
        AnswerForm.TEXT,
        completion_bound=True,
        temperature=False,
        plain_vectors=True,
        answer_tokens=4096,
        context_tokens=8192,
    )
    await memory.save(URL, "a-model", found)
    assert await PostgresManners(pool).load(URL, "a-model") == found
    assert await memory.load(URL, "another") is None
    assert await memory.load("http://other.example/v1", "a-model") is None
    await pool.execute("UPDATE model_manners SET found_at = now() - interval '25 hours'")
    assert await memory.load(URL, "a-model") is None
