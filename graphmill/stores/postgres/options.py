"""Options of method standard in PostgreSQL (graphmill.standard.options.OptionsStore)."""

import json

import asyncpg

from graphmill.errors import NotFound
from graphmill.models import CollectionKey
from graphmill.standard.options import StandardOptions


class PostgresOptionsStore:
    """What stands under a digest never changes, so it is read once."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._known: dict[tuple[CollectionKey, str], StandardOptions] = {}

    async def save_options(self, key: CollectionKey, options: StandardOptions) -> None:
        await self._pool.execute(
            "INSERT INTO standard_options VALUES ($1, $2, $3, $4::jsonb) ON CONFLICT DO NOTHING",
            key.tenant,
            key.name,
            options.digest,
            json.dumps(options.to_json(), ensure_ascii=False),
        )

    async def load_options(self, key: CollectionKey, digest: str) -> StandardOptions:
        known = self._known.get((key, digest))
        if known is None:
            stored = await self._pool.fetchval(
                "SELECT options FROM standard_options"
                " WHERE tenant = $1 AND collection = $2 AND digest = $3",
                key.tenant,
                key.name,
                digest,
            )
            if stored is None:
                raise NotFound(f"collection {key.name!r} is gone, and with it how it was indexed")
            known = self._known[key, digest] = StandardOptions.from_json(json.loads(stored))
        return known
