"""cluster_graph: a graph becomes a hierarchy of communities, by hierarchical Leiden.

Traag, Waltman and van Eck, "From Louvain to Leiden: guaranteeing well-connected communities"
(2019), in graspologic-native's form: Leiden over the whole graph gives level 0, and every
community of more than max_cluster_size entities is taken alone and divided again, level by level,
until nothing divides further. What was decided, and measured: docs/decisions/clustering.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from math import isfinite
from operator import attrgetter
from statistics import median_low
from uuid import UUID

from graspologic_native import hierarchical_leiden

from graphmill.errors import InvalidRequest
from graphmill.ids import community_id
from graphmill.models import Community

CLUSTERING_VERSION = f"1 graspologic-native {version('graspologic-native')}"
"""For cache keys: changes whenever the same graph may give other communities."""

_ROOT = -1

# Of the median weight. Leiden gives up on infinite sums, crashes on some negative weights, and
# leaves an entity of weight 0 alone; within these bounds no sum of weights overflows or vanishes.
_LEAST_WEIGHT = 1e-6
_GREATEST_WEIGHT = 1e6


@dataclass(frozen=True, slots=True)
class ClusterEntity:
    id: UUID
    title: str


@dataclass(frozen=True, slots=True)
class ClusterRelationship:
    """`source` and `target` are entity titles, in either order."""

    id: UUID
    source: str
    target: str
    weight: float
    text_unit_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class _Edge:
    """A relationship in numbers: entities by place of title, text units by place of id."""

    source: int
    target: int
    id: UUID
    weight: float
    text_units: tuple[int, ...]


@dataclass(slots=True)
class _Cluster:
    level: int
    parent: int
    members: list[int] = field(default_factory=list[int])
    edges: list[int] = field(default_factory=list[int])


def cluster_graph(
    entities: Sequence[ClusterEntity],
    relationships: Sequence[ClusterRelationship],
    text_unit_dates: Mapping[UUID, str],
    *,
    max_cluster_size: int = 10,
    seed: int = 0xDEADBEEF,
) -> tuple[Community, ...]:
    """Group entities that belong together: one graph, in any order, gives the same communities.

    Every entity with a relationship to another one is in exactly one community of level 0; others
    are in none. A community of more than `max_cluster_size` entities has children wherever Leiden
    can divide it, and they share out all its members. Communities are numbered by level, then size
    (largest first), then smallest member title.

    A weight that is not above zero (NaN included) counts as next to nothing, a huge one as a
    million times the median: only the clustering sees that, nothing is left out.

    Args:
        text_unit_dates: the creation date (yyyy-mm-dd) of the document of each text unit; a text
            unit that is not in it has no date.

    Raises:
        InvalidRequest: two entities of one title, a relationship to a title that no entity has, or
            a max_cluster_size under 1.
    """
    if max_cluster_size < 1:
        raise InvalidRequest(f"max_cluster_size is {max_cluster_size}; it must be 1 or more")
    ordered = sorted(entities, key=attrgetter("title"))
    text_units = sorted(
        {unit for relationship in relationships for unit in relationship.text_unit_ids},
        key=attrgetter("int"),
    )
    dates = [text_unit_dates.get(unit, "") for unit in text_units]
    edges = _edges(ordered, relationships, text_units)
    clusters = _leiden(edges, max_cluster_size, seed)
    _place_edges(clusters, edges, len(ordered))

    # Canonical: the library's numbers say in which order it happened to find them.
    def place(number: int) -> tuple[int, int, int]:
        cluster = clusters[number]
        return cluster.level, -len(cluster.members), cluster.members[0]

    found = sorted(clusters, key=place)
    numbers = {cluster: number for number, cluster in enumerate(found)} | {_ROOT: _ROOT}
    children: dict[int, list[int]] = {}
    for cluster in found:  # ascending numbers, so children ascend too
        children.setdefault(clusters[cluster].parent, []).append(numbers[cluster])

    communities: list[Community] = []
    for cluster in found:
        it = clusters[cluster]
        entity_ids = tuple(ordered[member].id for member in it.members)
        units = sorted({unit for edge in it.edges for unit in edges[edge].text_units})
        communities.append(
            Community(
                id=community_id(it.level, entity_ids),
                community=numbers[cluster],
                level=it.level,
                parent=numbers[it.parent],
                children=tuple(children.get(cluster, ())),
                title=f"Community {numbers[cluster]}",
                entity_ids=entity_ids,
                relationship_ids=tuple(edges[edge].id for edge in it.edges),
                text_unit_ids=tuple(text_units[unit] for unit in units),
                period=max((dates[unit] for unit in units), default=""),
                size=len(entity_ids),
            )
        )
    return tuple(communities)


def _edges(
    ordered: Sequence[ClusterEntity],
    relationships: Sequence[ClusterRelationship],
    text_units: Sequence[UUID],
) -> list[_Edge]:
    """Relationships in canonical order: source before target, ascending, then by id."""
    places = {entity.title: place for place, entity in enumerate(ordered)}
    if len(places) != len(ordered):
        raise InvalidRequest("two entities of the graph have the same title; merge them first")
    units = {unit: place for place, unit in enumerate(text_units)}
    edges: list[_Edge] = []
    for relationship in relationships:
        ends = (places.get(relationship.source), places.get(relationship.target))
        if ends[0] is None or ends[1] is None:
            # By id: titles are text of documents, which errors do not repeat.
            raise InvalidRequest(
                f"relationship {relationship.id} joins an entity that the graph does not have"
            )
        edges.append(
            _Edge(
                source=min(ends[0], ends[1]),
                target=max(ends[0], ends[1]),
                id=relationship.id,
                weight=relationship.weight,
                text_units=tuple(units[unit] for unit in relationship.text_unit_ids),
            )
        )
    edges.sort(key=lambda edge: (edge.source, edge.target, edge.id.int))
    return edges


def _leiden(edges: Sequence[_Edge], max_cluster_size: int, seed: int) -> dict[int, _Cluster]:
    """Clusters by the library's numbers, each with its members ascending."""
    joining = [edge for edge in edges if edge.source != edge.target]
    if not joining:
        return {}
    weights = [edge.weight for edge in joining if isfinite(edge.weight) and edge.weight > 0]
    # The median and not the mean: neither outliers nor the order of a sum can move it.
    typical = median_low(weights) if weights else 1.0
    placements = hierarchical_leiden(
        [(str(edge.source), str(edge.target), _tame(edge.weight, typical)) for edge in joining],
        resolution=1.0,
        randomness=0.001,
        iterations=1,
        use_modularity=True,
        max_cluster_size=max_cluster_size,
        seed=seed,
    )
    clusters: dict[int, _Cluster] = {}
    for placement in placements:
        cluster = clusters.get(placement.cluster)
        if cluster is None:
            parent = placement.parent_cluster
            cluster = _Cluster(placement.level, _ROOT if parent is None else parent)
            clusters[placement.cluster] = cluster
        cluster.members.append(int(placement.node))
    for cluster in clusters.values():
        cluster.members.sort()
    return clusters


def _tame(weight: float, typical: float) -> float:
    if not weight > 0:  # NaN too
        return _LEAST_WEIGHT
    return min(max(weight / typical, _LEAST_WEIGHT), _GREATEST_WEIGHT)


def _place_edges(clusters: Mapping[int, _Cluster], edges: Sequence[_Edge], n_entities: int) -> None:
    """Give each cluster the edges with both ends inside, in order.

    A cluster lies within its parent, so what falls between two clusters of one level is inside
    none of a deeper one: each level looks only at what the level above kept.
    """
    levels: dict[int, list[int]] = {}
    for number, cluster in clusters.items():
        levels.setdefault(cluster.level, []).append(number)
    nowhere = -1
    inside = list(range(len(edges)))
    for level in sorted(levels):
        cluster_of = [nowhere] * n_entities
        for number in levels[level]:
            for member in clusters[number].members:
                cluster_of[member] = number
        kept: list[int] = []
        for place in inside:
            edge = edges[place]
            number = cluster_of[edge.source]
            if number != nowhere and number == cluster_of[edge.target]:
                clusters[number].edges.append(place)
                kept.append(place)
        inside = kept
