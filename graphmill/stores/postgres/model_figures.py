"""What was spent on models, and how endpoints fare, added up for monitoring."""

import asyncpg

from graphmill.llm.limits import LEASE_SECONDS
from graphmill.model_figures import EndpointFigures, ModelFigures, StepUse
from graphmill.run_status import ModelUse

_USE = ", ".join(
    f"sum({column})::bigint AS {column}"
    for column in ("calls", "cached", "prompt_tokens", "completion_tokens", "nano_usd")
)


class PostgresModelFigures:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def load(self) -> ModelFigures:
        """Reads some 200 rows a run."""
        async with self._pool.acquire() as connection:
            steps = await connection.fetch(
                f"SELECT step, model, {_USE} FROM ("
                " SELECT step, model, calls, cached, prompt_tokens, completion_tokens, nano_usd"
                " FROM model_accounts UNION ALL SELECT * FROM model_accounts_gone"
                ") accounts GROUP BY step, model ORDER BY step, model"
            )
            endpoints = await connection.fetch(
                "SELECT name, places, allowed, (SELECT coalesce(sum(held), 0)::int"
                "   FROM endpoint_shares JOIN model_sessions s ON s.id = session"
                "   WHERE endpoint = name AND s.seen_at > now() - make_interval(secs => $1)),"
                " answered, overloaded, timed_out, failed FROM model_endpoints ORDER BY name",
                LEASE_SECONDS,
            )
        return ModelFigures(
            tuple(StepUse(step, model, ModelUse(*use)) for step, model, *use in steps),
            tuple(EndpointFigures(*row) for row in endpoints),
        )
