"""How much there is of a graph: counted when it is published, and read from its row."""

_COUNTED = {
    "text_units": "graph_text_units",
    "entities": "entities",
    "relationships": "relationships",
    "communities": "communities",
    "reports": "community_reports",
}

SET_COUNTS = ", ".join(
    f"{column} = (SELECT count(*) FROM {table} WHERE graph_id = $1)"
    for column, table in _COUNTED.items()
)
"""Assignments of an UPDATE of graphs; $1: the graph."""


def count_of(column: str, graph: str = "g") -> str:
    """Of a row of graphs; counted now where the release that published it did not."""
    table = _COUNTED[column]
    counted = f"(SELECT count(*) FROM {table} WHERE graph_id = {graph}.id)"
    return f"coalesce({graph}.{column}, {counted})"
