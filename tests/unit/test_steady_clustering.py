"""graphmill.clustering, of a graph that changed: only what the change touched moves."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from graphmill.clustering import (
    ClusterEntity,
    Clustering,
    ClusterRelationship,
    LastClustering,
    LastCommunity,
    cluster_graph,
)
from graphmill.clustering.steady import steady_partition
from graphmill.ids import entity_id, relationship_id
from graphmill.models import Community

Edges = Mapping[tuple[str, str], float]


def cluster(edges: Edges, last: LastClustering | None = None, most: int = 10) -> Clustering:
    titles = sorted({title for pair in edges for title in pair})
    return cluster_graph(
        [ClusterEntity(entity_id(title), title) for title in titles],
        [
            ClusterRelationship(relationship_id(a, b), a, b, weight, ())
            for (a, b), weight in edges.items()
        ],
        {},
        last,
        max_cluster_size=most,
    )


def last_of(clustering: Clustering, before: Edges, now: Edges) -> LastClustering:
    changed = {pair for pair in before.keys() | now.keys() if before.get(pair) != now.get(pair)}
    return LastClustering(
        tuple(
            LastCommunity(c.community, c.level, c.parent, c.entity_ids)
            for c in clustering.communities
        ),
        frozenset(entity_id(title) for pair in changed for title in pair),
    )


def groups(n: int, seed: int = 3) -> dict[tuple[str, str], float]:
    """Groups of twelve entities, dense inside, a few edges between."""
    rng = random.Random(seed)
    edges: dict[tuple[str, str], float] = {}
    for group in range(n):
        names = [f"G{group:03} {i:02}" for i in range(12)]
        for a, b in pairwise(names):
            edges[a, b] = 1.0
        for _ in range(20):
            a, b = sorted(rng.sample(names, 2))
            edges[a, b] = float(rng.randint(1, 3))
        if group:
            edges[f"G{rng.randrange(group):03} 00", f"G{group:03} 11"] = 1.0
    return edges


def ids(clustering: Clustering) -> set[UUID]:
    return {community.id for community in clustering.communities}


def assert_well_formed(communities: Sequence[Community], edges: Edges) -> None:
    near: dict[UUID, set[UUID]] = {}
    for pair in edges:
        a, b = map(entity_id, pair)
        near.setdefault(a, set()).add(b)
        near.setdefault(b, set()).add(a)
    members: Counter[tuple[int, UUID]] = Counter()
    for one in communities:
        members.update((one.level, id) for id in one.entity_ids)
        children = [communities[child] for child in one.children]
        assert all(c.parent == one.community and c.level == one.level + 1 for c in children)
        if children:
            assert sorted(id for c in children for id in c.entity_ids) == sorted(one.entity_ids)
            assert all(0 < c.size < one.size for c in children)
        assert_connected(one, near)
    assert set(members.values()) <= {1}
    assert {id for one in communities if one.level == 0 for id in one.entity_ids} == near.keys()


def assert_connected(community: Community, near: Mapping[UUID, set[UUID]]) -> None:
    left = set(community.entity_ids)
    waiting = [left.pop()]
    while waiting:
        found = near[waiting.pop()] & left
        left -= found
        waiting += found
    assert not left


def test_a_graph_that_did_not_change_keeps_its_communities() -> None:
    edges = groups(20)
    before = cluster(edges)
    again = cluster(edges, last_of(before, edges, edges))
    assert again.steady
    assert again.communities == before.communities


def test_a_change_moves_only_communities_that_it_touches() -> None:
    edges = groups(60)
    before = cluster(edges)
    now = {**edges, ("G007 03", "NEWCOMER"): 2.0}
    del now["G040 04", "G040 05"]
    after = cluster(now, last_of(before, edges, now))
    assert after.steady
    assert_well_formed(after.communities, now)
    touched = {entity_id(t) for t in ("G007 03", "NEWCOMER", "G040 04", "G040 05")}
    for community in before.communities:
        if not touched & set(community.entity_ids):
            assert community.id in ids(after)
    at = {id: c for c in after.communities if c.level == 0 for id in c.entity_ids}
    assert at[entity_id("NEWCOMER")] is at[entity_id("G007 03")]


def test_what_is_cut_in_two_becomes_two() -> None:
    chain = [(a, a + 1, 1.0) for a in (0, 1, 3, 4)]
    parts = steady_partition(chain, dict.fromkeys(range(6), 7), {2, 3}, seed=1).parts
    assert [{node for node in parts if parts[node] == part} for part in set(parts.values())] == [
        {0, 1, 2},
        {3, 4, 5},
    ]


def test_new_entities_find_groups_of_their_own() -> None:
    edges = groups(10)
    before = cluster(edges)
    now = edges | {(f"X{a}", f"X{b}"): 1.0 for a in range(5) for b in range(a + 1, 5)}
    after = cluster(now, last_of(before, edges, now))
    assert after.steady
    assert ids(before) < ids(after)
    (new,) = [c for c in after.communities if c.id not in ids(before)]
    assert set(new.entity_ids) == {entity_id(f"X{n}") for n in range(5)}


def test_a_partition_that_is_worse_than_a_fresh_one_is_given_up() -> None:
    edges = groups(30)
    titles = sorted({title for pair in edges for title in pair})
    all_in_one = LastClustering(
        (LastCommunity(0, 0, -1, tuple(map(entity_id, titles))),), frozenset()
    )
    after = cluster(edges, all_in_one)
    assert not after.steady
    assert after.communities == cluster(edges).communities


def test_modularity_stays_near_that_of_clustering_afresh_over_many_changes() -> None:
    rng = random.Random(11)
    edges = groups(40)
    clustering = cluster(edges)
    for _ in range(20):
        now = dict(edges)
        for pair in rng.sample(sorted(now), 3):
            del now[pair]
        names = sorted({title for pair in now for title in pair})
        a, b, c = rng.sample(names, 3)
        now[a, f"NEW {rng.random():.6f}"] = 1.0
        now[min(b, c), max(b, c)] = 2.0
        clustering = cluster(now, last_of(clustering, edges, now))
        edges = now
        assert clustering.modularity >= 0.99 * clustering.fresh_modularity
        assert_well_formed(clustering.communities, edges)


titles = st.integers(0, 24).map(lambda n: f"{n:02}")
edge = st.tuples(titles, titles).filter(lambda pair: pair[0] < pair[1])
graphs = st.dictionaries(edge, st.integers(1, 9).map(float), max_size=60)


@given(first=graphs, changes=st.lists(graphs, max_size=4), most=st.integers(1, 12), data=st.data())
def test_any_changes_leave_a_well_formed_hierarchy_in_any_order_of_input(
    first: Edges, changes: list[Edges], most: int, data: st.DataObject
) -> None:
    edges, clustering = first, cluster(first, most=most)
    for change in changes:
        gone = {pair for pair in edges if pair in change and change[pair] < 5}
        now = {pair: w for pair, w in {**edges, **change}.items() if pair not in gone}
        last = last_of(clustering, edges, now)
        clustering = cluster(now, last, most)
        shuffled = dict(data.draw(st.permutations(list(now.items()))))
        backwards = LastClustering(tuple(reversed(last.communities)), last.touched)
        assert cluster(shuffled, backwards, most) == clustering
        assert_well_formed(clustering.communities, now)
        edges = now
