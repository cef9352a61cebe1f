"""Reads of one published graph in Neo4j (graphmill.search.ports.GraphStore).

Each statement tells, after all that it has read, which graph was there then: what was read while
another one was being written is thrown away.
"""

from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

from neo4j import AsyncDriver

from graphmill.models import CollectionKey
from graphmill.search.ports import EntityNode, OtherGraph, RelationshipEdge
from graphmill.stores.neo4j.driver import run


class Neo4jReads:
    """`version`: of the graph, which was there when this was made."""

    def __init__(self, driver: AsyncDriver, key: CollectionKey, version: str) -> None:
        self._driver = driver
        self._of = {"tenant": key.tenant, "collection": key.name}
        self._version = version

    async def entities_by_title(self, titles: Sequence[str]) -> tuple[EntityNode, ...]:
        return tuple(map(_entity, await self._read(_ENTITIES_BY_TITLE, titles=list(titles))))

    async def mentioned_entities(
        self, text_unit_ids: Sequence[UUID], max_frequency: int
    ) -> tuple[EntityNode, ...]:
        rows = await self._read(
            _MENTIONED_ENTITIES,
            ids=[str(id) for id in text_unit_ids],
            max_frequency=max_frequency,
        )
        return tuple(map(_entity, rows))

    async def relationships_of(
        self, titles: Sequence[str], limit: int
    ) -> tuple[RelationshipEdge, ...]:
        rows = await self._read(_RELATIONSHIPS_OF, titles=list(titles), limit=limit)
        return tuple(
            RelationshipEdge(
                UUID(row["id"]),
                row["source"],
                row["target"],
                row["description"],
                row["weight"],
                tuple(map(UUID, row["text_unit_ids"])),
            )
            for row in rows
        )

    async def _read(self, statement: LiteralString, **parameters: Any) -> list[dict[str, Any]]:
        found = await run(self._driver, statement + _VERSION, {**self._of, **parameters}, read=True)
        if found[0]["version"] != self._version:
            raise OtherGraph
        return found[0]["rows"]


def _entity(row: dict[str, Any]) -> EntityNode:
    return EntityNode(
        id=UUID(row["id"]),
        title=row["title"],
        type=row["type"],
        description=row["description"],
        frequency=row["frequency"],
        text_unit_ids=tuple(map(UUID, row["text_unit_ids"])),
    )


_VERSION: LiteralString = """
    WITH collect(row) AS rows
    OPTIONAL MATCH (c:Collection {tenant: $tenant, name: $collection})
    RETURN rows, c.graph AS version
    """
_ENTITY: LiteralString = "e {.id, .title, .type, .description, .frequency, .text_unit_ids} AS row"

_ENTITIES_BY_TITLE: LiteralString = f"""
    CALL () {{
        UNWIND $titles AS title
        MATCH (e:Entity {{tenant: $tenant, collection: $collection, title: title}})
        WITH DISTINCT e ORDER BY e.title, e.id
        RETURN {_ENTITY}
    }}
    """
_MENTIONED_ENTITIES: LiteralString = f"""
    CALL () {{
        UNWIND $ids AS id
        MATCH (:TextUnit {{tenant: $tenant, collection: $collection, id: id}})
            <-[:MENTIONED_IN]-(e:Entity)
        WHERE 2 <= e.frequency <= $max_frequency
            AND e.tenant = $tenant AND e.collection = $collection
        WITH DISTINCT e ORDER BY e.id
        RETURN {_ENTITY}
    }}
    """
_RELATIONSHIPS_OF: LiteralString = """
    CALL () {
        UNWIND $titles AS title
        MATCH (:Entity {tenant: $tenant, collection: $collection, title: title})-[r:RELATED]-()
        WHERE r.tenant = $tenant AND r.collection = $collection
        WITH DISTINCT r ORDER BY r.weight DESC, r.id LIMIT $limit
        RETURN {id: r.id, source: startNode(r).title, target: endNode(r).title,
            description: r.description, weight: r.weight, text_unit_ids: r.text_unit_ids} AS row
    }
    """
