"""What stores hold of published graphs, as it was written down when they were written
(graphmill.projections.standing)."""

from collections.abc import Sequence

import asyncpg

from graphmill.models import CollectionKey
from graphmill.projections.standing import ProjectionFigures, ProjectionStanding


class PostgresProjectionStandings:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def expect(self, key: CollectionKey, stores: Sequence[str]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "DELETE FROM projections"
                " WHERE tenant = $1 AND collection = $2 AND store <> ALL($3)",
                key.tenant,
                key.name,
                stores,
            )
            await connection.execute(_EXPECT, key.tenant, key.name, stores)

    async def note_synced(self, key: CollectionKey, store: str, version: str) -> None:
        await self._pool.execute(
            "INSERT INTO projections (tenant, collection, store, version, synced_at)"
            " VALUES ($1, $2, $3, $4, now()) ON CONFLICT (tenant, collection, store) DO UPDATE"
            " SET version = excluded.version, synced_at = now(), behind_since = NULL,"
            " failing_since = NULL, tries = 0, reason = ''",
            key.tenant,
            key.name,
            store,
            version,
        )

    async def note_failed(self, key: CollectionKey, store: str, reason: str) -> None:
        await self._pool.execute(
            "INSERT INTO projections (tenant, collection, store, failing_since, tries, reason)"
            " VALUES ($1, $2, $3, now(), 1, $4) ON CONFLICT (tenant, collection, store) DO UPDATE"
            " SET failing_since = coalesce(projections.failing_since, now()),"
            " tries = projections.tries + 1, reason = excluded.reason",
            key.tenant,
            key.name,
            store,
            reason,
        )

    async def forget(self, key: CollectionKey, store: str) -> None:
        await self._pool.execute(
            "DELETE FROM projections WHERE tenant = $1 AND collection = $2 AND store = $3",
            key.tenant,
            key.name,
            store,
        )

    async def is_held(self, key: CollectionKey) -> bool:
        """Whether any store may hold something of it."""
        return await self._pool.fetchval(
            "SELECT EXISTS (SELECT FROM projections WHERE tenant = $1 AND collection = $2)",
            key.tenant,
            key.name,
        )

    async def load(self, key: CollectionKey) -> tuple[ProjectionStanding, ...]:
        """By store; what a collection had that is gone is left out."""
        rows = await self._pool.fetch(
            f"SELECT * FROM ({_BEHIND}) AS behind"
            " WHERE tenant = $1 AND collection = $2 AND exists ORDER BY store",
            key.tenant,
            key.name,
        )
        return tuple(
            ProjectionStanding(row["store"], row["seconds"], row["tries"], row["reason"])
            for row in rows
        )

    async def figures(self) -> tuple[ProjectionFigures, ...]:
        """Of all collections, by store."""
        rows = await self._pool.fetch(
            "SELECT store, count(seconds) AS behind, coalesce(max(seconds), 0) AS lag,"
            f" count(*) FILTER (WHERE tries > 0) AS failing FROM ({_BEHIND}) AS behind"
            " GROUP BY store ORDER BY store"
        )
        return tuple(
            ProjectionFigures(row["store"], row["behind"], row["lag"], row["failing"])
            for row in rows
        )


# A store that is behind already stays so since then, however many graphs are published meanwhile.
_EXPECT = """
    INSERT INTO projections AS p (tenant, collection, store, behind_since)
    SELECT $1, $2, store, g.published_at FROM unnest($3::text[]) AS store
    LEFT JOIN collections c ON c.tenant = $1 AND c.name = $2
    LEFT JOIN graphs g ON g.id = c.graph_id
    ON CONFLICT (tenant, collection, store) DO UPDATE
    SET behind_since = coalesce(p.behind_since, excluded.behind_since)
    """

# seconds: NULL where the store holds what queries see. A collection that is gone is behind from
# when a store first failed to let go of it.
_BEHIND = """
    SELECT p.tenant, p.collection, p.store, p.tries, p.reason, c.name IS NOT NULL AS exists,
        CASE WHEN c.name IS NULL
            THEN extract(epoch FROM now() - coalesce(p.failing_since, now()))
        WHEN p.version IS DISTINCT FROM g.version AND g.id IS NOT NULL
            THEN extract(epoch FROM now() - coalesce(p.behind_since, g.published_at))
        END::float8 AS seconds
    FROM projections p
    LEFT JOIN collections c ON c.tenant = p.tenant AND c.name = p.collection
    LEFT JOIN graphs g ON g.id = c.graph_id
    """
