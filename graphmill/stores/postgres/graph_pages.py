"""Pages of the published graph, each read in one snapshot."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeVar, cast
from uuid import UUID

import asyncpg

from graphmill.errors import InvalidRequest
from graphmill.graph_pages import (
    MOST_IDS,
    CommunityRow,
    EntityRow,
    GraphPage,
    NeighbourRow,
)
from graphmill.missing import no_entity
from graphmill.models import CollectionKey, CommunityReport
from graphmill.stores.postgres.published import published_graph
from graphmill.stores.postgres.reports import read_report

R = TypeVar("R")

_COLUMNS = f"""e.id, e.title, e.type, e.description, e.frequency, e.degree,
    e.text_unit_ids[1:{MOST_IDS}] AS text_unit_ids"""

# Titles are an entity's own, so they order and continue.
_ENTITIES = f"""
SELECT {_COLUMNS} FROM entities e
WHERE e.tenant = $1 AND e.graph_id = $2 AND e.title > $3
    AND ($5::text IS NULL OR e.type = $5)
ORDER BY e.title LIMIT $4
"""

_MEMBERS = f"""
SELECT {_COLUMNS} FROM entities e
WHERE e.tenant = $1 AND e.graph_id = $2 AND e.title > $3
    AND ($5::text IS NULL OR e.type = $5)
    AND e.id IN (SELECT unnest(c.entity_ids) FROM communities c
        WHERE c.tenant = $1 AND c.graph_id = $2 AND c.community = $6)
ORDER BY e.title LIMIT $4
"""

# The heaviest first; $4 and $5 are weight and id of the last of the page before.
_NEIGHBOURS = f"""
WITH of_it AS (
    SELECT r.* FROM relationships r
    WHERE r.tenant = $1 AND r.graph_id = $2 AND r.id IN (
        SELECT id FROM relationships WHERE tenant = $1 AND graph_id = $2 AND source = $3
        UNION
        SELECT id FROM relationships WHERE tenant = $1 AND graph_id = $2 AND target = $3
    ) AND ($4::float8 IS NULL OR (-r.weight, r.id) > (-$4, $5::uuid))
    ORDER BY -r.weight, r.id LIMIT $6
)
SELECT r.id AS relationship_id, r.source, r.target, r.description AS about, r.weight,
    r.combined_degree, cardinality(r.text_unit_ids) AS text_units,
    r.text_unit_ids[1:{MOST_IDS}] AS shared_ids, {_COLUMNS}
FROM of_it r JOIN entities e ON e.tenant = $1 AND e.graph_id = $2
    AND e.title = CASE WHEN r.source = $3 THEN r.target ELSE r.source END
ORDER BY -r.weight, r.id
"""

_COMMUNITIES = f"""
SELECT c.id, c.community, c.level, c.parent, c.children, c.title, c.period, c.size,
    cardinality(c.relationship_ids) AS relationships, cardinality(c.text_unit_ids) AS text_units,
    c.entity_ids[1:{MOST_IDS}] AS entity_ids
FROM communities c
WHERE c.tenant = $1 AND c.graph_id = $2 AND c.community > $3 AND ($5::int IS NULL OR c.level = $5)
ORDER BY c.community LIMIT $4
"""

_REPORTS = """
SELECT r.* FROM community_reports r
WHERE r.tenant = $1 AND r.graph_id = $2 AND r.community > $3 AND ($5::int IS NULL OR r.level = $5)
ORDER BY r.community LIMIT $4
"""


class PostgresGraphPages:
    """The pool belongs to the caller."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def entities(
        self,
        key: CollectionKey,
        after: str | None,
        limit: int,
        type: str | None = None,
        community: int | None = None,
    ) -> GraphPage[EntityRow]:
        """In the order of their titles; those of a type, of a community.

        Raises:
            NotFound: there is no such collection.
        """
        more: tuple[object, ...] = (type,) if community is None else (type, community)
        statement = _ENTITIES if community is None else _MEMBERS
        return await self._page(
            key, statement, after or "", limit, _entity, lambda row: row["title"], *more
        )

    async def neighbours(
        self, key: CollectionKey, id: UUID, after: str | None, limit: int
    ) -> GraphPage[NeighbourRow]:
        """Relationships of an entity, the heaviest first, each with the entity at its other end.

        Raises:
            NotFound: there is no such collection, or its graph has no such entity.
            InvalidRequest: `after` is no page's `next`.
        """
        weight, last = (None, None) if after is None else _read_cursor(after)
        async with published_graph(self._pool, key) as (connection, graph_id):
            title = await connection.fetchval(
                "SELECT title FROM entities WHERE tenant = $1 AND graph_id = $2 AND id = $3",
                key.tenant,
                graph_id,
                id,
            )
            if title is None:
                raise no_entity(key, id)
            rows = await connection.fetch(
                _NEIGHBOURS, key.tenant, graph_id, title, weight, last, limit + 1
            )
            version = await _version(connection, graph_id)
        return _cut(
            version,
            rows,
            limit,
            _neighbour,
            lambda row: f"{row['weight']!r}:{row['relationship_id']}",
        )

    async def communities(
        self, key: CollectionKey, after: str | None, limit: int, level: int | None = None
    ) -> GraphPage[CommunityRow]:
        """In the order of their numbers; those of a level.

        Raises:
            NotFound: there is no such collection.
            InvalidRequest: `after` is no page's `next`.
        """
        return await self._page(
            key, _COMMUNITIES, _number(after), limit, _community, _community_cursor, level
        )

    async def reports(
        self, key: CollectionKey, after: str | None, limit: int, level: int | None = None
    ) -> GraphPage[CommunityReport]:
        """In the order of their communities' numbers; those of a level. Raises as `communities`."""
        return await self._page(
            key, _REPORTS, _number(after), limit, read_report, _community_cursor, level
        )

    async def _page(
        self,
        key: CollectionKey,
        statement: str,
        after: str | int,
        limit: int,
        read: Callable[[asyncpg.Record], R],
        cursor: Callable[[asyncpg.Record], str],
        *more: object,
    ) -> GraphPage[R]:
        async with published_graph(self._pool, key) as (connection, graph_id):
            # One more than is asked for, to know whether there is another page.
            rows = await connection.fetch(statement, key.tenant, graph_id, after, limit + 1, *more)
            version = await _version(connection, graph_id)
        return _cut(version, rows, limit, read, cursor)


async def _version(
    connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]", graph_id: int | None
) -> str:
    return await connection.fetchval("SELECT version FROM graphs WHERE id = $1", graph_id) or ""


def _cut(
    version: str,
    rows: Sequence[asyncpg.Record],
    limit: int,
    read: Callable[[asyncpg.Record], R],
    cursor: Callable[[asyncpg.Record], str],
) -> GraphPage[R]:
    shown = rows[:limit]
    following = cursor(shown[-1]) if len(rows) > limit else None
    return GraphPage(version, tuple(map(read, shown)), following)


def _read_cursor(after: str) -> tuple[float, UUID]:
    weight, _, id = after.partition(":")
    try:
        return float(weight), UUID(id)
    except ValueError:
        raise _no_cursor() from None


def _number(after: str | None) -> int:
    if after is None:
        return -1
    if not after.isascii() or not after.isdecimal() or len(after) > 9:
        raise _no_cursor()
    return int(after)


def _no_cursor() -> InvalidRequest:
    return InvalidRequest("after is not the `next` of a page; leave it out for the first page")


def _community_cursor(row: asyncpg.Record) -> str:
    return str(row["community"])


# The columns of these statements are named as the fields.
_FIELDS = {kind: tuple(one.name for one in fields(kind)) for kind in (EntityRow, CommunityRow)}


def _entity(row: asyncpg.Record) -> EntityRow:
    return EntityRow(*(_frozen(row[name]) for name in _FIELDS[EntityRow]))


def _community(row: asyncpg.Record) -> CommunityRow:
    return CommunityRow(*(_frozen(row[name]) for name in _FIELDS[CommunityRow]))


def _neighbour(row: asyncpg.Record) -> NeighbourRow:
    return NeighbourRow(
        relationship_id=row["relationship_id"],
        source=row["source"],
        target=row["target"],
        description=row["about"],
        weight=row["weight"],
        combined_degree=row["combined_degree"],
        text_units=row["text_units"],
        text_unit_ids=tuple(row["shared_ids"]),
        neighbour=_entity(row),
    )


def _frozen(value: Any) -> Any:
    return tuple(cast(list[Any], value)) if isinstance(value, list) else value
