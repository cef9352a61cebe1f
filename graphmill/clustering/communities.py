"""cluster_graph: a graph becomes a hierarchy of communities, by hierarchical Leiden.

What was decided, and measured: docs/decisions/clustering.md.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from math import isfinite
from operator import attrgetter
from statistics import median_low
from uuid import UUID

from graphmill.clustering.hierarchy import ROOT, LastHierarchy, Part, divide
from graphmill.clustering.leiden import LEIDEN_VERSION, WeightedEdge
from graphmill.errors import InvalidRequest
from graphmill.ids import community_id
from graphmill.models import Community

CLUSTERING_VERSION = f"2 {LEIDEN_VERSION}"
"""For cache keys: changes whenever the same graph may give other communities."""

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


@dataclass(frozen=True, slots=True)
class LastCommunity:
    """One that the graph had before it changed; numbers as in Community."""

    community: int
    level: int
    parent: int
    entity_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class LastClustering:
    """`touched`: entities with a relationship that came, went, or has another weight than it had;
    who is gone need not be among them."""

    communities: tuple[LastCommunity, ...]
    touched: AbstractSet[UUID]


@dataclass(frozen=True, slots=True)
class Clustering:
    """`steady`: begun from the last clustering. The modularities are of level 0: its own, and that
    of clustering afresh."""

    communities: tuple[Community, ...]
    steady: bool
    modularity: float
    fresh_modularity: float


def cluster_graph(
    entities: Sequence[ClusterEntity],
    relationships: Sequence[ClusterRelationship],
    text_unit_dates: Mapping[UUID, str],
    last: LastClustering | None = None,
    *,
    max_cluster_size: int = 10,
    seed: int = 0xDEADBEEF,
) -> Clustering:
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
        last: the clustering that the graph had before it changed: then only what the change touched
            moves, unless clustering afresh is better by more than 1 % of modularity.

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
    before = None if last is None else _last_hierarchy(last, ordered)
    hierarchy = divide(_weighted(edges), max_cluster_size, seed, before)
    parts = hierarchy.parts
    inside = _edges_inside(parts, edges, len(ordered))

    # Canonical: their places say in which order they happened to be found.
    def rank(place: int) -> tuple[int, int, int]:
        part = parts[place]
        return part.level, -len(part.members), part.members[0]

    found = sorted(range(len(parts)), key=rank)
    numbers = {place: number for number, place in enumerate(found)} | {ROOT: ROOT}
    children: dict[int, list[int]] = {}
    for place in found:  # ascending numbers, so children ascend too
        children.setdefault(parts[place].parent, []).append(numbers[place])

    communities: list[Community] = []
    for place in found:
        part = parts[place]
        entity_ids = tuple(ordered[member].id for member in part.members)
        units = sorted({unit for edge in inside[place] for unit in edges[edge].text_units})
        communities.append(
            Community(
                id=community_id(part.level, entity_ids),
                community=numbers[place],
                level=part.level,
                parent=numbers[part.parent],
                children=tuple(children.get(place, ())),
                title=f"Community {numbers[place]}",
                entity_ids=entity_ids,
                relationship_ids=tuple(edges[edge].id for edge in inside[place]),
                text_unit_ids=tuple(text_units[unit] for unit in units),
                period=max((dates[unit] for unit in units), default=""),
                size=len(entity_ids),
            )
        )
    return Clustering(
        tuple(communities), hierarchy.steady, hierarchy.modularity, hierarchy.fresh_modularity
    )


def _last_hierarchy(last: LastClustering, ordered: Sequence[ClusterEntity]) -> LastHierarchy:
    places = {entity.id: place for place, entity in enumerate(ordered)}
    order = sorted(last.communities, key=attrgetter("level", "community"))
    at = {one.community: place for place, one in enumerate(order)} | {ROOT: ROOT}
    parts = (
        Part(
            one.level,
            at[one.parent],
            tuple(sorted(places[id] for id in one.entity_ids if id in places)),
        )
        for one in order
    )
    return LastHierarchy(
        tuple(parts),
        tuple(len(one.entity_ids) for one in order),
        frozenset(places[id] for id in last.touched if id in places),
    )


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


def _weighted(edges: Sequence[_Edge]) -> list[WeightedEdge]:
    """What joins two entities, with weights that Leiden can sum."""
    joining = [edge for edge in edges if edge.source != edge.target]
    weights = [edge.weight for edge in joining if isfinite(edge.weight) and edge.weight > 0]
    # The median and not the mean: neither outliers nor the order of a sum can move it.
    typical = median_low(weights) if weights else 1.0
    return [(edge.source, edge.target, _tame(edge.weight, typical)) for edge in joining]


def _tame(weight: float, typical: float) -> float:
    if not weight > 0:  # NaN too
        return _LEAST_WEIGHT
    return min(max(weight / typical, _LEAST_WEIGHT), _GREATEST_WEIGHT)


def _edges_inside(
    parts: Sequence[Part], edges: Sequence[_Edge], n_entities: int
) -> list[list[int]]:
    """By part, the edges with both ends in it, in order.

    A part lies within its parent, so what falls between two parts of one level is inside none of a
    deeper one: each level looks only at what the level above kept.
    """
    levels: dict[int, list[int]] = {}
    for place, part in enumerate(parts):
        levels.setdefault(part.level, []).append(place)
    inside: list[list[int]] = [[] for _ in parts]
    nowhere = -1
    left = list(range(len(edges)))
    for level in sorted(levels):
        part_of = [nowhere] * n_entities
        for place in levels[level]:
            for member in parts[place].members:
                part_of[member] = place
        kept: list[int] = []
        for number in left:
            edge = edges[number]
            place = part_of[edge.source]
            if place != nowhere and place == part_of[edge.target]:
                inside[place].append(number)
                kept.append(number)
        left = kept
    return inside
