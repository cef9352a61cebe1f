"""What was spent on models, and how endpoints fare, added up for monitoring."""

import asyncpg

from graphmill.kept import Kept
from graphmill.llm.limits import DEAD_AFTER, LEASE_SECONDS, Tries
from graphmill.model_figures import EndpointFigures, ModelFigures, StepUse
from graphmill.run_status import ModelUse

# However many ask: it reads some 200 rows of every run.
_KEPT_SECONDS = 5.0

_USE = ", ".join(
    f"sum({column})::bigint AS {column}"
    for column in ("calls", "cached", "prompt_tokens", "completion_tokens", "nano_usd")
)
_STEPS = f"""
SELECT step, model, {_USE} FROM (
    SELECT step, model, calls, cached, prompt_tokens, completion_tokens, nano_usd
    FROM model_accounts
    UNION ALL SELECT * FROM model_accounts_gone
) accounts GROUP BY step, model ORDER BY step, model
"""
# `allowed` as graphmill.llm.limits.decide takes it.
_ENDPOINTS = """
SELECT name, places,
    CASE WHEN closed_until > extract(epoch FROM clock_timestamp()) THEN 0
         WHEN failures >= $2 THEN 1 ELSE floor(least(allowed, places)) END::int,
    (SELECT coalesce(sum(held), 0)::int FROM endpoint_shares
     JOIN model_sessions s ON s.id = session
     WHERE endpoint = name AND s.seen_at > now() - make_interval(secs => $1)),
    answered, overloaded, timed_out, failed, refused
FROM model_endpoints ORDER BY name
"""


class PostgresModelFigures:
    def __init__(self, pool: asyncpg.Pool, kept_seconds: float = _KEPT_SECONDS) -> None:
        """`kept_seconds`: for so long figures are told again."""
        self._pool = pool
        self._kept = Kept(self._load, kept_seconds)

    async def load(self) -> ModelFigures:
        return await self._kept.get()

    async def _load(self) -> ModelFigures:
        async with self._pool.acquire() as connection:
            steps = await connection.fetch(_STEPS)
            endpoints = await connection.fetch(_ENDPOINTS, LEASE_SECONDS, DEAD_AFTER)
        return ModelFigures(
            tuple(StepUse(step, model, ModelUse(*use)) for step, model, *use in steps),
            tuple(
                EndpointFigures(name, places, allowed, held, Tries(*tries))
                for name, places, allowed, held, *tries in endpoints
            ),
        )
