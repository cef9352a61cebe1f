"""The published graph, page by page: every row once, in order, and of one's own."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from graphmill.models import CollectionKey
from tests.published_graph import publish

KEY = CollectionKey("default", "files")
FILES = {
    f"{n}.md": (
        f"# Chapter {n}\n\nAda Lovelace met Charles Babbage in London. Charles Babbage wrote to"
        f" Michael Faraday of the Difference Engine. Ada Lovelace saw the Difference Engine {n}."
    ).encode()
    for n in range(6)
}


async def pages(http: httpx.AsyncClient, path: str, rows: str, **params: Any) -> list[Any]:
    """All rows, two at a time."""
    found: list[Any] = []
    after: dict[str, str] = {}
    while True:
        answer = await http.get(
            f"/v1/collections/files/{path}", params={"limit": 2, **params, **after}
        )
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert page["graph"]
        assert len(page[rows]) <= 2
        found += page[rows]
        if page["next"] is None:
            return found
        assert page[rows]
        after = {"after": page["next"]}


async def test_all_of_a_graph_is_paged_through(http: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    graph = await publish(pool, KEY, FILES, min_node_freq=1)
    await publish(pool, CollectionKey("other", "files"), {"x.md": b"# X\n\nOttoline Vault."})
    entities = await pages(http, "entities", "entities")
    rows = await pool.fetch("SELECT * FROM entities WHERE graph_id = $1 ORDER BY title", graph)
    assert len(rows) > 3
    assert [one["title"] for one in entities] == [row["title"] for row in rows]
    assert [one["text_unit_ids"] for one in entities] == [
        [str(id) for id in row["text_unit_ids"]] for row in rows
    ]
    types = {one["type"] for one in entities}
    for type in types:
        of_type = await pages(http, "entities", "entities", type=type)
        assert of_type == [one for one in entities if one["type"] == type]

    communities = await pages(http, "communities", "communities")
    assert [one["community"] for one in communities] == list(range(len(communities)))
    for one in communities:
        members = await pages(http, "entities", "entities", community=one["community"])
        assert {member["id"] for member in members} == set(one["entity_ids"])
        assert len(members) == one["size"]
    reports = await pages(http, "reports", "reports", level=0)
    assert [one["community"] for one in reports] == [
        one["community"] for one in communities if one["level"] == 0
    ]
    assert all(one["summary"] for one in reports)


async def test_neighbours_of_an_entity_come_heaviest_first(
    http: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    graph = await publish(pool, KEY, FILES, min_node_freq=1)
    by_title = {
        row["title"]: row
        for row in await pool.fetch("SELECT * FROM entities WHERE graph_id = $1", graph)
    }
    for title, row in by_title.items():
        found = await pages(http, f"entities/{row['id']}/neighbours", "neighbours")
        stored = await pool.fetch(
            "SELECT * FROM relationships WHERE graph_id = $1 AND $2 IN (source, target)"
            " ORDER BY weight DESC, id",
            graph,
            title,
        )
        assert [one["relationship_id"] for one in found] == [str(one["id"]) for one in stored]
        for one in found:
            assert {one["source"], one["target"]} == {title, one["neighbour"]["title"]}
            assert one["neighbour"]["id"] == str(by_title[one["neighbour"]["title"]]["id"])


@pytest.mark.parametrize("path", ["entities", "communities", "reports"])
async def test_before_the_first_graph_pages_are_empty(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(f"/v1/collections/files/{path}")).status_code == 404
    await http.post("/v1/collections", json={"name": "files"})
    answer = (await http.get(f"/v1/collections/files/{path}")).json()
    assert answer == {"graph": "", path: [], "next": None}
    neighbours = await http.get(f"/v1/collections/files/entities/{uuid4()}/neighbours")
    assert neighbours.status_code == 404


@pytest.mark.parametrize(
    ("path", "after"),
    [
        ("communities", "x"),
        ("communities", "-1"),
        ("communities", "99999999999"),
        ("reports", "1.5"),
        (f"entities/{UUID(int=7)}/neighbours", "1.0"),
        (f"entities/{UUID(int=7)}/neighbours", "one:two"),
    ],
)
async def test_a_cursor_that_no_page_gave_is_refused(
    http: httpx.AsyncClient, path: str, after: str
) -> None:
    await http.post("/v1/collections", json={"name": "files"})
    answer = await http.get(f"/v1/collections/files/{path}", params={"after": after})
    assert answer.status_code == 400, answer.text
    assert "after" in answer.json()["detail"]
