"""How models want to be asked, in PostgreSQL (graphmill.llm.manners.MannersMemory)."""

import asyncpg

from graphmill.llm.manners import AnswerForm, Manners

# An endpoint that is set up anew may take what it refused before: then it is found out again.
_REMEMBERED_HOURS = 24


class PostgresManners:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def load(self, base_url: str, model: str) -> Manners | None:
        row = await self._pool.fetchrow(
            "SELECT form, completion_bound, temperature, plain_vectors, answer_tokens,"
            " context_tokens FROM model_manners WHERE base_url = $1 AND model = $2"
            " AND found_at > now() - make_interval(hours => $3)",
            base_url,
            model,
            _REMEMBERED_HOURS,
        )
        if row is None:
            return None
        form, *others = row
        return Manners(AnswerForm(form), *others)

    async def save(self, base_url: str, model: str, manners: Manners) -> None:
        await self._pool.execute(
            "INSERT INTO model_manners (base_url, model, form, completion_bound, temperature,"
            " plain_vectors, answer_tokens, context_tokens, found_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now())"
            " ON CONFLICT (base_url, model) DO UPDATE SET form = excluded.form,"
            " completion_bound = excluded.completion_bound, temperature = excluded.temperature,"
            " plain_vectors = excluded.plain_vectors, answer_tokens = excluded.answer_tokens,"
            " context_tokens = excluded.context_tokens, found_at = excluded.found_at",
            base_url,
            model,
            manners.form,
            manners.completion_bound,
            manners.temperature,
            manners.plain_vectors,
            manners.answer_tokens,
            manners.context_tokens,
        )
