"""What in a published graph points to something that is not there. There should be nothing."""

from typing import Any

import asyncpg


async def count_dangling(
    connection: "asyncpg.Pool | asyncpg.pool.PoolConnectionProxy[Any]", graph_id: int
) -> dict[str, int]:
    """By what points where, how many do so in vain; what points rightly is left out."""
    found: dict[str, int] = {}
    for words, statement in _DANGLING.items():
        count = await connection.fetchval(f"SELECT count(*) FROM ({statement}) AS lost", graph_id)
        if count:
            found[words] = count
    return found


def _lost(table: str, column: str, pointed_to: str, id: str = "id") -> str:
    return (
        f"SELECT DISTINCT unnest({column}) FROM {table} WHERE graph_id = $1"
        f" EXCEPT SELECT {id} FROM {pointed_to} WHERE graph_id = $1"
    )


_DANGLING = {
    "entities to text units": _lost(
        "entities", "text_unit_ids", "graph_text_units", "text_unit_id"
    ),
    "relationships to text units": _lost(
        "relationships", "text_unit_ids", "graph_text_units", "text_unit_id"
    ),
    "relationships to entities": "SELECT source FROM relationships WHERE graph_id = $1"
    " UNION SELECT target FROM relationships WHERE graph_id = $1"
    " EXCEPT SELECT title FROM entities WHERE graph_id = $1",
    "text units to entities": _lost("graph_text_units", "entity_ids", "entities"),
    "text units to relationships": _lost("graph_text_units", "relationship_ids", "relationships"),
    "text units to documents": "SELECT document_id FROM graph_text_units WHERE graph_id = $1"
    " EXCEPT SELECT document_id FROM graph_documents WHERE graph_id = $1",
    "text units to their text": "SELECT g.text_unit_id FROM graph_text_units g"
    " JOIN graphs ON graphs.id = g.graph_id"
    " WHERE g.graph_id = $1 AND NOT EXISTS (SELECT FROM text_units t"
    " WHERE t.tenant = graphs.tenant AND t.collection = graphs.collection"
    " AND t.id = g.text_unit_id)",
    "communities to entities": _lost("communities", "entity_ids", "entities"),
    "communities to relationships": _lost("communities", "relationship_ids", "relationships"),
    "communities to text units": _lost(
        "communities", "text_unit_ids", "graph_text_units", "text_unit_id"
    ),
    "communities to their children": _lost("communities", "children", "communities", "community"),
    "communities to their parents": "SELECT parent FROM communities"
    " WHERE graph_id = $1 AND parent >= 0"
    " EXCEPT SELECT community FROM communities WHERE graph_id = $1",
    "communities to their reports": "SELECT community FROM communities WHERE graph_id = $1"
    " EXCEPT SELECT community FROM community_reports WHERE graph_id = $1",
    "reports to communities": "SELECT community FROM community_reports WHERE graph_id = $1"
    " EXCEPT SELECT community FROM communities WHERE graph_id = $1",
    "covariates to text units": "SELECT text_unit_id FROM covariates WHERE graph_id = $1"
    " EXCEPT SELECT text_unit_id FROM graph_text_units WHERE graph_id = $1",
}
