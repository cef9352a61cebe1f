"""A graph divided level by level: afresh, or from the hierarchy that it had before it changed.

The whole graph gives the parts of level 0; a part of more than so many nodes is taken alone and
divided again, until nothing divides further. How a part is divided afresh depends on the edges
inside it alone, so what did not change is divided as before.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from graphmill.clustering.leiden import WeightedEdge, leiden_partition, modularity_of
from graphmill.clustering.steady import steady_partition

ROOT = -1

# A steady partition whose modularity is less than this share of a fresh one's is given up.
_WORTH_KEEPING = 0.99


@dataclass(frozen=True, slots=True)
class Part:
    """`parent`: its place among the parts, ROOT at level 0; it comes before its children. Members
    ascend."""

    level: int
    parent: int
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LastHierarchy:
    """What a graph was divided into, in today's nodes: those that are gone are left out of the
    members, but counted in `sizes`. `touched`: the ends of all edges that are not what they were.
    """

    parts: tuple[Part, ...]
    sizes: tuple[int, ...]
    touched: AbstractSet[int]


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """`steady`: it was begun from the last one. The modularities are of level 0: its own, and that
    of a fresh partition."""

    parts: tuple[Part, ...]
    steady: bool
    modularity: float
    fresh_modularity: float


def divide(
    edges: Sequence[WeightedEdge], most: int, seed: int, last: LastHierarchy | None = None
) -> Hierarchy:
    """
    Args:
        edges: in canonical order.
        most: parts of more nodes are divided.
        last: None: the graph is divided afresh. So it is where that is better by more than 1 %.
    """
    fresh = leiden_partition(edges, seed)
    best = modularity_of(edges, fresh)
    if last is not None:
        steady = steady_partition(edges, _labels(last).get(0, {}), last.touched, seed)
        kept = modularity_of(edges, steady.parts)
        if kept >= best - (1 - _WORTH_KEEPING) * abs(best):
            parts = _Dividing(most, seed, last).run(edges, steady.parts, steady.stirred)
            return Hierarchy(parts, True, kept, best)
    return Hierarchy(_Dividing(most, seed, None).run(edges, fresh, frozenset()), False, best, best)


def _labels(last: LastHierarchy) -> dict[int, dict[int, int]]:
    """By level and node: the place of its part."""
    labels: dict[int, dict[int, int]] = defaultdict(dict)
    for place, part in enumerate(last.parts):
        for node in part.members:
            labels[part.level][node] = place
    return labels


@dataclass(slots=True)
class _Open:
    """A part that may have to be divided, with the edges inside it and those of its nodes whose
    edges there are not what they were."""

    place: int
    edges: list[WeightedEdge] = field(default_factory=list[WeightedEdge])
    changed: set[int] = field(default_factory=set[int])


class _Dividing:
    def __init__(self, most: int, seed: int, last: LastHierarchy | None) -> None:
        self._most = most
        self._seed = seed
        self._last = last
        self._labels: Mapping[int, dict[int, int]] = {} if last is None else _labels(last)
        self._children: dict[int, list[int]] = defaultdict(list)
        for place, part in enumerate(() if last is None else last.parts):
            self._children[part.parent].append(place)
        self._touched: AbstractSet[int] = frozenset() if last is None else last.touched
        self._parts: list[Part] = []

    def run(
        self, edges: Sequence[WeightedEdge], first: Mapping[int, int], stirred: AbstractSet[int]
    ) -> tuple[Part, ...]:
        waiting = self._add(0, ROOT, edges, first, stirred)
        while waiting:
            one = waiting.pop()
            level = self._parts[one.place].level + 1
            parts, stirred = self._divide(one, level)
            if len(set(parts.values())) > 1:
                waiting += self._add(level, one.place, one.edges, parts, stirred | one.changed)
        return tuple(self._parts)

    def _divide(self, one: _Open, level: int) -> tuple[dict[int, int], AbstractSet[int]]:
        labels = self._labels.get(level, {})
        known = {node: labels[node] for node in self._parts[one.place].members if node in labels}
        if not known:
            return leiden_partition(one.edges, self._seed), frozenset()
        steady = steady_partition(one.edges, known, one.changed, self._seed)
        return steady.parts, steady.stirred

    def _add(
        self,
        level: int,
        parent: int,
        edges: Sequence[WeightedEdge],
        part_of: Mapping[int, int],
        stirred: AbstractSet[int],
    ) -> list[_Open]:
        """Parts of one level under one parent; those that are to be divided."""
        members: dict[int, list[int]] = defaultdict(list)
        for node in sorted(part_of):
            members[part_of[node]].append(node)
        waiting: dict[int, _Open] = {}
        for part, nodes in members.items():  # by their smallest nodes
            place = len(self._parts)
            self._parts.append(Part(level, parent, tuple(nodes)))
            if len(nodes) <= self._most:
                continue
            if (before := self._unchanged(level, nodes)) is not None:
                self._keep(before, place)
            else:
                changed = {node for node in nodes if node in self._touched or node in stirred}
                waiting[part] = _Open(place, changed=changed)
        for edge in edges:
            part = part_of[edge[0]]
            if part == part_of[edge[1]] and part in waiting:
                waiting[part].edges.append(edge)
        return list(waiting.values())

    def _unchanged(self, level: int, nodes: Sequence[int]) -> int | None:
        """The place of the last hierarchy's part that these nodes are, where no edge inside it is
        another one than it was."""
        if self._last is None:
            return None
        labels = self._labels.get(level, {})
        place = labels.get(nodes[0])
        if place is None or self._last.sizes[place] != len(nodes):
            return None
        same = all(labels.get(node) == place and node not in self._touched for node in nodes)
        return place if same else None

    def _keep(self, before: int, place: int) -> None:
        """What the part was divided into."""
        assert self._last is not None
        copied = [(before, place)]
        while copied:
            before, parent = copied.pop()
            for child in self._children[before]:
                part = self._last.parts[child]
                copied.append((child, len(self._parts)))
                self._parts.append(Part(part.level, parent, part.members))
