"""Which parts answer: for GET /health, and before something that needs them."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client

from graphmill.application.outages import explain_outage

_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class PartHealth:
    """`words` is empty where the part answers, else what is wrong and what to do."""

    part: str
    ok: bool
    words: str = ""


class Health:
    def __init__(self, client: Client | None, pool: asyncpg.Pool) -> None:
        self._client = client
        self._pool = pool

    async def check(self) -> tuple[PartHealth, ...]:
        """PostgreSQL and Temporal, asked side by side, a few seconds at most."""
        return tuple(await asyncio.gather(self._database(), self._temporal()))

    async def _database(self) -> PartHealth:
        try:
            async with asyncio.timeout(_SECONDS):
                # Not only that it answers, but that its tables are there.
                await self._pool.fetchval("SELECT count(*) FROM schema_migrations")
        except Exception as error:
            return _down("database", error)
        return PartHealth("database", ok=True)

    async def _temporal(self) -> PartHealth:
        if self._client is None:
            return PartHealth("temporal", ok=False, words="not started")
        try:
            async with asyncio.timeout(_SECONDS):
                await self._client.workflow_service.get_system_info(
                    GetSystemInfoRequest(), timeout=timedelta(seconds=_SECONDS)
                )
        except Exception as error:
            return _down("temporal", error)
        return PartHealth("temporal", ok=True)


def _down(part: str, error: Exception) -> PartHealth:
    told = explain_outage(error)
    # The class of an unforeseen error, not its text: that may hold an address with a password.
    return PartHealth(part, ok=False, words=str(told) if told else type(error).__name__)
