"""graphmill.clustering: the same graph gives the same hierarchy, and every hierarchy is one."""

import hashlib
import math
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphmill.clustering import (
    CLUSTERING_VERSION,
    ClusterEntity,
    ClusterRelationship,
    cluster_graph,
)
from graphmill.errors import InvalidRequest
from graphmill.ids import community_id, content_id, entity_id, relationship_id
from graphmill.models import Community

Pair = tuple[str, str]


def communities_of(
    entities: Sequence[ClusterEntity],
    relationships: Sequence[ClusterRelationship],
    dates: Mapping[UUID, str],
    max_cluster_size: int = 10,
) -> tuple[Community, ...]:
    return cluster_graph(
        entities, relationships, dates, max_cluster_size=max_cluster_size
    ).communities


def entity(title: str) -> ClusterEntity:
    return ClusterEntity(entity_id(title), title)


def text_unit(number: int) -> UUID:
    return content_id("text_unit", number)


def relationship(
    source: str, target: str, weight: float = 1.0, text_units: Sequence[int] = ()
) -> ClusterRelationship:
    return ClusterRelationship(
        relationship_id(source, target), source, target, weight, tuple(map(text_unit, text_units))
    )


def clique(titles: str) -> list[Pair]:
    return [(a, b) for a in titles for b in titles if a < b]


def graph_of(
    pairs: Sequence[Pair], **weights: float
) -> tuple[list[ClusterEntity], list[ClusterRelationship]]:
    titles = sorted({title for pair in pairs for title in pair})
    return (
        [entity(title) for title in titles],
        [relationship(a, b, weights.get(a + b, 1.0)) for a, b in sorted(set(pairs))],
    )


# Two cliques of five joined by one edge, and a pair apart.
VILLAGES = [*clique("ABCDE"), *clique("VWXYZ"), ("E", "V"), ("P", "Q")]


def titles_of(community: Community, entities: Sequence[ClusterEntity]) -> str:
    title = {entity.id: entity.title for entity in entities}
    return "".join(title[id] for id in community.entity_ids)


def assert_is_a_hierarchy(
    communities: Sequence[Community],
    entities: Sequence[ClusterEntity],
    relationships: Sequence[ClusterRelationship],
    dates: Mapping[UUID, str],
) -> None:
    ids = {entity.title: entity.id for entity in entities}
    title = {entity.id: entity.title for entity in entities}
    by_number = {community.community: community for community in communities}
    assert list(by_number) == list(range(len(communities)))
    assert [(c.level, -c.size, title[c.entity_ids[0]]) for c in communities] == sorted(
        (c.level, -c.size, title[c.entity_ids[0]]) for c in communities
    )

    for community in communities:
        members = set(community.entity_ids)
        assert community.size == len(members) == len(community.entity_ids) > 0
        assert [title[id] for id in community.entity_ids] == sorted(title[id] for id in members)
        assert community.id == community_id(community.level, members)
        assert community.title == f"Community {community.community}"

        if community.level == 0:
            assert community.parent == -1
        else:
            parent = by_number[community.parent]
            assert parent.level == community.level - 1
            assert community.community in parent.children
            assert members < set(parent.entity_ids)
        if community.children:
            shares = [by_number[child].entity_ids for child in community.children]
            assert all(
                by_number[child].parent == community.community for child in community.children
            )
            assert list(community.children) == sorted(community.children)
            assert Counter(id for share in shares for id in share) == Counter(members)

        inside = [r for r in relationships if {ids[r.source], ids[r.target]} <= members]
        assert Counter(community.relationship_ids) == Counter(r.id for r in inside)
        units = {unit for r in inside for unit in r.text_unit_ids}
        assert list(community.text_unit_ids) == sorted(units)
        assert community.period == max((dates.get(unit, "") for unit in units), default="")

    connected = {
        ids[t] for r in relationships if r.source != r.target for t in (r.source, r.target)
    }
    for level in {community.level for community in communities}:
        seen = Counter(id for c in communities if c.level == level for id in c.entity_ids)
        assert set(seen.values()) == {1}, "an entity is in at most one community of a level"
        if level == 0:
            assert set(seen) == connected
    assert bool(communities) == bool(connected)


titles = st.text(alphabet="ABÉZßАЯ中文🦀 0-", min_size=1, max_size=4)
weights = st.one_of(
    st.integers(1, 9).map(float),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -1.0, 1e308, 5e-324]),
)


@st.composite
def graphs(
    draw: st.DrawFn,
) -> tuple[list[ClusterEntity], list[ClusterRelationship], dict[UUID, str]]:
    names = draw(st.lists(titles, unique=True, max_size=30))
    if not names:
        return [], [], {}
    ends = st.tuples(st.sampled_from(names), st.sampled_from(names))
    pairs = draw(st.lists(ends, unique=True, max_size=120))
    relationships = [
        relationship(a, b, draw(weights), draw(st.lists(st.integers(0, 5), max_size=3)))
        for a, b in pairs
    ]
    dates = {
        text_unit(number): f"2026-0{draw(st.integers(1, 9))}-01"
        for number in draw(st.sets(st.integers(0, 5)))
    }
    return [entity(name) for name in names], relationships, dates


@settings(deadline=None, max_examples=150)
@given(graph=graphs(), max_cluster_size=st.integers(1, 12), data=st.data())
def test_any_graph_in_any_order_gives_one_well_formed_hierarchy(
    graph: tuple[list[ClusterEntity], list[ClusterRelationship], dict[UUID, str]],
    max_cluster_size: int,
    data: st.DataObject,
) -> None:
    entities, relationships, dates = graph
    communities = communities_of(entities, relationships, dates, max_cluster_size=max_cluster_size)
    assert_is_a_hierarchy(communities, entities, relationships, dates)
    again = communities_of(
        data.draw(st.permutations(entities)),
        data.draw(st.permutations(relationships)),
        dict(reversed(dates.items())),
        max_cluster_size=max_cluster_size,
    )
    assert again == communities


def random_graph(
    n_entities: int, n_relationships: int
) -> tuple[list[ClusterEntity], list[ClusterRelationship], dict[UUID, str]]:
    """Groups of twenty, of which a tenth of the relationships lead away."""
    random_ = random.Random(7)
    pairs: set[tuple[int, int]] = set()
    while len(pairs) < n_relationships:
        a = random_.randrange(n_entities)
        b = random_.randrange(n_entities)
        if random_.random() < 0.9:
            b = min(a // 20 * 20 + b % 20, n_entities - 1)
        if a != b:
            pairs.add((min(a, b), max(a, b)))
    entities = [entity(f"E{n:05}") for n in range(n_entities)]
    relationships = [
        relationship(f"E{a:05}", f"E{b:05}", random_.randint(1, 5), [a // 10, b // 10])
        for a, b in sorted(pairs)
    ]
    dates = {text_unit(n): f"2026-01-{n % 28 + 1:02}" for n in range(n_entities // 10)}
    return entities, relationships, dates


def test_a_large_graph_gets_a_hierarchy_of_several_levels() -> None:
    entities, relationships, dates = random_graph(600, 2_000)
    communities = communities_of(entities, relationships, dates)
    assert_is_a_hierarchy(communities, entities, relationships, dates)
    assert max(community.level for community in communities) >= 1
    random.Random(1).shuffle(entities)
    random.Random(2).shuffle(relationships)
    assert communities_of(entities, relationships, dates) == communities


def digest_of_a_random_graph() -> str:
    return hashlib.sha256(repr(communities_of(*random_graph(400, 1_500))).encode()).hexdigest()


def test_another_process_gives_the_same_communities(project_root: Path) -> None:
    program = (
        "import sys, importlib.util as util\n"
        f"spec = util.spec_from_file_location('tests_of_clustering', {str(Path(__file__))!r})\n"
        "module = util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "sys.stdout.write(module.digest_of_a_random_graph())\n"
    )
    here = digest_of_a_random_graph()
    for hash_seed in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=project_root,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert there.stdout == here


def test_groups_that_belong_together_are_communities_the_largest_first() -> None:
    entities, relationships = graph_of(VILLAGES)
    communities = communities_of(entities, relationships, {})
    assert [titles_of(c, entities) for c in communities] == ["ABCDE", "VWXYZ", "PQ"]
    assert [(c.community, c.level, c.parent, c.size) for c in communities] == [
        (0, 0, -1, 5),
        (1, 0, -1, 5),
        (2, 0, -1, 2),
    ]
    # The bridge E-V has its ends in two communities, so it is in neither.
    assert [len(c.relationship_ids) for c in communities] == [10, 10, 1]


def test_text_units_and_period_come_from_the_relationships_inside() -> None:
    relationships = [
        relationship("A", "B", text_units=[1, 2]),
        relationship("B", "C", text_units=[2, 3]),
        relationship("A", "C", text_units=[4]),
    ]
    dates = {text_unit(1): "2024-05-01", text_unit(2): "2025-12-31", text_unit(9): "2030-01-01"}
    (community,) = communities_of([entity(t) for t in "ABC"], relationships, dates)
    assert community.text_unit_ids == tuple(sorted(map(text_unit, [1, 2, 3, 4])))
    assert community.period == "2025-12-31"
    (undated,) = communities_of([entity(t) for t in "ABC"], relationships, {})
    assert undated.period == ""


def test_titles_are_ordered_by_code_point_as_the_database_orders_them() -> None:
    names = ["É", "Z", "中", "🦀", "\uffee", "a", "-"]
    entities, relationships = graph_of([(a, b) for a in names for b in names if a < b])
    (community,) = communities_of(entities, relationships, {}, max_cluster_size=20)
    in_database_order = sorted(names, key=lambda title: title.encode())
    assert community.entity_ids == tuple(map(entity_id, in_database_order))


def test_no_relationship_no_community() -> None:
    assert communities_of([], [], {}) == ()
    assert communities_of([entity("A"), entity("B")], [], {}) == ()
    assert communities_of([entity("A")], [relationship("A", "A")], {}) == ()


def test_an_entity_related_only_to_itself_is_in_no_community() -> None:
    entities = [entity(t) for t in "ABC"]
    own = relationship("A", "A", text_units=[1])
    (community,) = communities_of(
        entities, [relationship("A", "B"), own, relationship("C", "C")], {}
    )
    assert titles_of(community, entities) == "AB"
    assert own.id in community.relationship_ids


@pytest.mark.parametrize("weight", [0.0, -0.0, -3.0, math.nan, -math.inf, 5e-324])
def test_a_weight_not_above_zero_pulls_next_to_nothing(weight: float) -> None:
    entities, relationships = graph_of(VILLAGES, EV=weight)
    communities = communities_of(entities, relationships, {})
    assert [titles_of(c, entities) for c in communities] == ["ABCDE", "VWXYZ", "PQ"]
    everywhere = [relationship(a, b, weight) for a, b in VILLAGES]
    communities = communities_of(entities, everywhere, {})
    assert [titles_of(c, entities) for c in communities] == ["ABCDE", "VWXYZ", "PQ"]


@pytest.mark.parametrize("weight", [math.inf, 1e308])
def test_a_huge_weight_neither_fails_nor_loses_an_entity(weight: float) -> None:
    entities, relationships = graph_of(VILLAGES, EV=weight)
    communities = communities_of(entities, relationships, {})
    assert_is_a_hierarchy(communities, entities, relationships, {})
    assert any({"E", "V"} <= set(titles_of(c, entities)) for c in communities)


@pytest.mark.parametrize("scale", [2.0**-900, 2.0**-20, 2.0**20, 2.0**900])
def test_the_unit_of_weights_does_not_matter(scale: float) -> None:
    entities, relationships, dates = random_graph(200, 800)
    scaled = [relationship(r.source, r.target, r.weight * scale) for r in relationships]
    assert [c.id for c in communities_of(entities, scaled, dates)] == [
        c.id for c in communities_of(entities, relationships, dates)
    ]


def test_what_is_not_a_graph_is_refused_without_repeating_its_text() -> None:
    with pytest.raises(InvalidRequest, match="same title"):
        communities_of([entity("A"), entity("A")], [], {})
    with pytest.raises(InvalidRequest, match="does not have") as refused:
        communities_of([entity("A")], [relationship("A", "SECRET")], {})
    assert "SECRET" not in str(refused.value)
    with pytest.raises(InvalidRequest, match="max_cluster_size is 0"):
        communities_of([], [], {}, max_cluster_size=0)


def test_the_version_names_the_library_that_the_result_depends_on() -> None:
    assert "graspologic-native" in CLUSTERING_VERSION


def rows(path: Path) -> list[dict[str, Any]]:
    return cast(Any, parquet).read_table(path).to_pylist()


def test_the_graph_of_a_christmas_carol_is_clustered_much_as_graphrag_did(shared: Path) -> None:
    """Much, not wholly: which group a border entity joins turns with the order of the edges.

    The bare library on the same edges shares 83 of GraphRAG's 122 groups; with all weights taken
    as 1 it shares 29, so a wrong weight or a wrong end would fail here.
    """
    folder = shared / "graphrag-output"
    weights: dict[tuple[str, str], float] = {}
    for row in rows(folder / "relationships.parquet"):
        source, target = sorted((row["source"], row["target"]))
        weights[source, target] = row["weight"]
    # 32 titles of its relationships have no entity there, but were nodes when it clustered.
    entities = [entity(title) for title in sorted({title for pair in weights for title in pair})]
    title = {entity.id: entity.title for entity in entities}
    listed: dict[str, str] = {r["id"]: r["title"] for r in rows(folder / "entities.parquet")}

    ours = {
        (c.level, frozenset(title[id] for id in c.entity_ids) & set(listed.values()))
        for c in communities_of(entities, [relationship(*p, w) for p, w in weights.items()], {})
    }
    theirs = {
        (c["level"], frozenset(listed[id] for id in c["entity_ids"]))
        for c in rows(folder / "communities.parquet")
    }
    assert len(theirs) == 122
    assert len(ours & theirs) > len(theirs) / 2
