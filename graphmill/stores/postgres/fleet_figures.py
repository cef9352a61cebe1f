"""What there is in all, added up for monitoring."""

import asyncpg

from graphmill.fleet_figures import FleetFigures
from graphmill.kept import Kept
from graphmill.models import DocumentState, RunState
from graphmill.run_status import END_STATES
from graphmill.stores.postgres.database import APPLICATION_NAME

# However many ask: half a million documents take a tenth of a second to count.
_KEPT_SECONDS = 10.0
_CONNECTION_STATES = ("active", "idle", "idle in transaction")


class PostgresFleetFigures:
    def __init__(self, fleet: asyncpg.Pool, kept_seconds: float = _KEPT_SECONDS) -> None:
        """`kept_seconds`: for so long figures are told again."""
        self._fleet = fleet
        self._kept = Kept(self._load, kept_seconds)

    async def load(self) -> FleetFigures:
        return await self._kept.get()

    async def _load(self) -> FleetFigures:
        async with self._fleet.acquire() as connection:
            documents = await connection.fetch(
                "SELECT state, count(*) AS n FROM documents GROUP BY state"
            )
            runs = await connection.fetch(
                "SELECT state, count(*) AS n FROM runs WHERE ended_at IS NULL GROUP BY state"
            )
            ended = await connection.fetch(
                "SELECT state, count(*) AS n FROM runs WHERE ended_at > now() - interval '1 hour'"
                " GROUP BY state"
            )
            connections = await connection.fetch(
                "SELECT state, application_name = $1 AS ours, count(*) AS n FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' GROUP BY 1, 2",
                APPLICATION_NAME,
            )
            most = await connection.fetchval("SELECT current_setting('max_connections')::int")
        return FleetFigures(
            documents={str(state): 0 for state in DocumentState}
            | {row["state"]: row["n"] for row in documents},
            runs={str(state): 0 for state in RunState if state not in END_STATES}
            | {row["state"]: row["n"] for row in runs},
            ended={str(state): 0 for state in END_STATES}
            | {row["state"]: row["n"] for row in ended},
            # Another user's state is hidden from one who is no superuser.
            connections=dict.fromkeys(_CONNECTION_STATES, 0)
            | {row["state"]: row["n"] for row in connections if row["ours"] and row["state"]},
            all_connections=sum(row["n"] for row in connections),
            most_connections=most,
        )
