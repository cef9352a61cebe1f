"""Graphs whose hierarchy of communities a test writes down itself."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias
from uuid import UUID

import asyncpg

from graphmill.clustering import Clustering
from graphmill.ids import community_id, entity_id, relationship_id
from graphmill.models import CollectionKey, Community
from graphmill.settings import PruneSettings
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.graph import PostgresGraphStore

Tree: TypeAlias = "int | tuple[Tree, ...]"
"""A community: how many entities it has, or the communities that it divides into."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """A tree at its place. Its entities are those of the whole graph from `first` to before
    `end`."""

    tree: Tree
    level: int
    parent: int
    first: int

    @property
    def end(self) -> int:
        return self.first + count_entities(self.tree)

    def parts(self, number: int) -> Iterator["_Placed"]:
        first = self.first
        for tree in self.tree if isinstance(self.tree, tuple) else ():
            yield (part := _Placed(tree, self.level + 1, number, first))
            first = part.end


def count_entities(tree: Tree) -> int:
    return tree if isinstance(tree, int) else sum(map(count_entities, tree))


def count_communities(tree: Tree) -> int:
    return 1 if isinstance(tree, int) else 1 + sum(map(count_communities, tree))


async def store_hierarchies(
    pool: asyncpg.Pool, key: CollectionKey, roots: Sequence[Tree], words: int = 20
) -> int:
    """A graph under construction, whose communities are these; gives its id.

    Communities are numbered level by level. Each entity is related to the next one of its root;
    every description has so many words.
    """
    graph_id = await _store_graph(pool, key, [count_entities(root) for root in roots], words)
    placed: list[_Placed] = []
    first = 0
    for root in roots:
        placed.append(_Placed(root, 0, -1, first))
        first = placed[-1].end
    for number, one in enumerate(placed):  # it grows on the way
        placed += one.parts(number)
    communities = clustered(_community(number, one, placed) for number, one in enumerate(placed))
    store = PostgresGraphStore(pool, PruneSettings())
    await store.save_communities(graph_id, communities)
    return graph_id


def clustered(communities: Iterable[Community]) -> Clustering:
    """As if clustering had found them."""
    return Clustering(tuple(communities), steady=False, modularity=0.0, fresh_modularity=0.0)


def title_of(entity: int) -> str:
    return f"NAME{entity:05}"


def _community(number: int, one: _Placed, placed: Sequence[_Placed]) -> Community:
    entity_ids = tuple(entity_id(title_of(entity)) for entity in range(one.first, one.end))
    return Community(
        id=community_id(one.level, entity_ids),
        community=number,
        level=one.level,
        parent=one.parent,
        children=tuple(child for child, other in enumerate(placed) if other.parent == number),
        title=f"Community {number}",
        entity_ids=entity_ids,
        relationship_ids=tuple(
            relationship_id(title_of(source), title_of(target))
            for source, target in pairwise(range(one.first, one.end))
        ),
        text_unit_ids=(),
        period="2024-01-02",
        size=len(entity_ids),
    )


async def _store_graph(
    pool: asyncpg.Pool, key: CollectionKey, sizes: Sequence[int], words: int
) -> int:
    await PostgresCatalog(pool).create_collection(key)
    graph_id: int = await pool.fetchval(
        "INSERT INTO graphs (tenant, collection, digest) VALUES ($1, $2, 'made by hand')"
        " RETURNING id",
        key.tenant,
        key.name,
    )
    said = "word " * (words - 1)
    titles = [title_of(entity) for entity in range(sum(sizes))]
    firsts = {sum(sizes[:root]) for root in range(len(sizes))}
    pairs = [
        (titles[target - 1], titles[target])
        for target in range(len(titles))
        if target not in firsts
    ]
    nowhere: list[UUID] = []
    async with pool.acquire() as connection:
        await connection.copy_records_to_table(
            "entities",
            columns=(
                *("tenant", "graph_id", "id", "human_readable_id"),
                *("title", "type", "description"),
                *("text_unit_ids", "frequency", "degree", "embedding_id"),
            ),
            records=[
                (
                    *(key.tenant, graph_id, entity_id(title), 1000 + place, title, "person"),
                    *(f"{said}{title}.", nowhere, 3, 2, entity_id(title)),
                )
                for place, title in enumerate(titles)
            ],
        )
        await connection.copy_records_to_table(
            "relationships",
            columns=(
                *("tenant", "graph_id", "id", "human_readable_id"),
                *("source", "target", "description"),
                *("weight", "combined_degree", "text_unit_ids"),
            ),
            records=[
                (
                    *(key.tenant, graph_id, relationship_id(*pair), 5000 + place, *pair),
                    *(f"{said}{pair[0]}.", 1.0, 4, nowhere),
                )
                for place, pair in enumerate(pairs)
            ],
        )
    return graph_id
