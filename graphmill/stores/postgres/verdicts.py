"""What is decided of titles in the published graph, and what people say of them, in PostgreSQL."""

import asyncpg

from graphmill.errors import NotFound
from graphmill.models import CollectionKey
from graphmill.standard.decisions import Decision, Step
from graphmill.stores.postgres.published import published_graph


class PostgresVerdicts:
    """A verdict is kept with its collection; graphs from the next on heed it."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def decisions(
        self, key: CollectionKey, after: tuple[str, str], limit: int, step: Step | None
    ) -> tuple[Decision, ...]:
        """Of the published graph, those after a pair of titles, ascending.

        Raises:
            NotFound: there is no such collection.
        """
        async with published_graph(self._pool, key) as (connection, graph_id):
            rows = await connection.fetch(
                "SELECT title, other, same, step, reason FROM resolution_decisions"
                " WHERE graph_id = $1 AND (title, other) > ($2, $3)"
                " AND ($5::text IS NULL OR step = $5) ORDER BY title, other LIMIT $4",
                graph_id,
                *after,
                limit,
                step,
            )
        return tuple(_decision(row) for row in rows)

    async def unknown_titles(self, key: CollectionKey, *titles: str) -> tuple[str, ...]:
        """Those that the published graph does not have, neither as an entity nor as another title
        of one.

        Raises:
            NotFound: there is no such collection, or nothing of it has been published yet.
        """
        async with published_graph(self._pool, key) as (connection, graph_id):
            if graph_id is None:
                raise NotFound(
                    f"nothing of collection {key.name!r} has been indexed yet;"
                    f" `graphmill status {key.name}` shows how its run stands"
                )
            rows = await connection.fetch(
                "SELECT given.title FROM unnest($2::text[]) AS given (title) WHERE NOT EXISTS"
                " (SELECT FROM entities e WHERE e.graph_id = $1 AND e.title = given.title)"
                " AND NOT EXISTS (SELECT FROM entity_resolutions r"
                " WHERE r.graph_id = $1 AND r.title = given.title) ORDER BY given.title",
                graph_id,
                titles,
            )
        return tuple(row["title"] for row in rows)

    async def save(self, key: CollectionKey, verdict: Decision) -> None:
        """In place of what was said of the pair before."""
        await self._pool.execute(
            "INSERT INTO resolution_verdicts (tenant, collection, title, other, same, reason)"
            " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, collection, title, other)"
            " DO UPDATE SET same = excluded.same, reason = excluded.reason",
            key.tenant,
            key.name,
            verdict.title,
            verdict.other,
            verdict.same,
            verdict.reason,
        )

    async def remove(self, key: CollectionKey, title: str, other: str) -> None:
        """
        Raises:
            NotFound: nobody said anything of this pair.
        """
        gone = await self._pool.fetchval(
            "DELETE FROM resolution_verdicts WHERE tenant = $1 AND collection = $2"
            " AND title = $3 AND other = $4 RETURNING true",
            key.tenant,
            key.name,
            title,
            other,
        )
        if not gone:
            raise NotFound(f"nobody has decided whether {title!r} and {other!r} are one thing")


def _decision(row: asyncpg.Record) -> Decision:
    return Decision(row["title"], row["other"], row["same"], Step(row["step"]), row["reason"])
