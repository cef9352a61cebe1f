"""The rights to ask that a process gives back: told as soon as the database can hear it.

A claim that nobody asks under would keep everybody else waiting for as long as its process lives.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from graphmill.telemetry.subjects import apart
from graphmill.tenancy import acting_for

_AGAIN_SECONDS = 1.0

RELEASE_CLAIMS = (
    "DELETE FROM model_claims held USING unnest($1::text[], $2::bytea[]) AS g (tenant, key)"
    " WHERE held.tenant = g.tenant AND held.key = g.key AND held.session = $3"
)


class ReturnedClaims:
    def __init__(self, pool: asyncpg.Pool, session: UUID) -> None:
        self._pool = pool
        self._session = session
        self._returned: set[tuple[str, bytes]] = set()
        self._telling = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def add(self, tenant: str, keys: Collection[bytes]) -> None:
        """Claims that nobody here asks under any more, or that may be held by mistake."""
        self._returned |= {(tenant, key) for key in keys}
        if self._returned and (self._task is None or self._task.done()):
            with apart():
                self._task = asyncio.create_task(self._tell_until_heard(), name="returned claims")

    @asynccontextmanager
    async def told(self) -> AsyncGenerator[None]:
        """The time to take claims in: what was given back before is, and nothing meanwhile, which
        might be what has just been taken again."""
        async with self._telling:
            await self._tell()
            yield

    async def close(self) -> None:
        """What is not told yet ends with the session."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _tell(self) -> None:
        returned, self._returned = self._returned, set()
        try:
            # Each in its tenant's name: whoever is told of here may act for another.
            for tenant in sorted({tenant for tenant, _ in returned}):
                theirs = {claim for claim in returned if claim[0] == tenant}
                tenants, keys = zip(*sorted(theirs), strict=True)
                with acting_for(tenant):
                    await self._pool.execute(RELEASE_CLAIMS, tenants, keys, self._session)
                returned -= theirs
        finally:
            self._returned |= returned

    async def _tell_until_heard(self) -> None:
        while self._returned:
            try:
                async with self.told():
                    pass
            except Exception:
                await asyncio.sleep(_AGAIN_SECONDS)  # whatever it is: others wait for them
