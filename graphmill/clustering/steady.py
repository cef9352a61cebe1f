"""One partition of a graph that has changed, from the one before: only what the change touched
moves.

Local moving of Louvain and Leiden, begun at the ends of the edges that changed and going on from
each node that moved to its neighbours: Sahu, "DF Louvain: Fast Incrementally Expanding Approach for
Community Detection on Dynamic Graphs" (2024). As with Leiden every part is connected; parts that
changed may join another whole, as in Louvain's aggregation. What was measured:
docs/decisions/clustering.md.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from graphmill.clustering.leiden import WeightedEdge, leiden_partition

# Of a node's weight: gains nearer than that are the same, whatever order they were summed in.
_NO_GAIN = 1e-9


@dataclass(frozen=True, slots=True)
class SteadyPartition:
    """By node, the number of its part; and the nodes whose neighbourhood in their part is not what
    it was: those that moved or came, and their neighbours."""

    parts: dict[int, int]
    stirred: frozenset[int]


def steady_partition(
    edges: Sequence[WeightedEdge],
    last: Mapping[int, int],
    touched: AbstractSet[int],
    seed: int,
) -> SteadyPartition:
    """
    Args:
        last: the part that a node was in, by any numbers. A node that is not in it is new; one that
            has no edge any more is left out.
        touched: the ends of all edges that came, went or changed their weight.
    """
    moving = _Moving(edges)
    new = moving.place(last, seed)
    start = sorted({node for node in touched if node in moving.part_of} | new)
    parts = moving.split({moving.part_of[node] for node in start})
    parts = moving.split(parts | moving.move(start))
    moving.join(parts)
    stirred = moving.moved | new
    stirred |= {other for node in stirred for other, _ in moving.neighbours[node]}
    return SteadyPartition(moving.part_of, frozenset(stirred))


class _Moving:
    """A partition under way. Part numbers only ever grow; an empty one stays empty."""

    def __init__(self, edges: Sequence[WeightedEdge]) -> None:
        self._edges = edges
        self.neighbours: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for source, target, weight in edges:
            self.neighbours[source].append((target, weight))
            self.neighbours[target].append((source, weight))
        self._weight = {
            node: sum(weight for _, weight in near) for node, near in self.neighbours.items()
        }
        self._total = sum(self._weight.values())
        self.part_of: dict[int, int] = {}
        self.moved: set[int] = set()
        self._members: list[set[int]] = []
        self._weights: list[float] = []

    def place(self, last: Mapping[int, int], seed: int) -> set[int]:
        """Where nodes were; those that are new, which are returned, in parts of their own."""
        nodes = sorted(self.neighbours)
        new = {node for node in nodes if node not in last}
        among = [edge for edge in self._edges if edge[0] in new and edge[1] in new]
        first = leiden_partition(among, seed)
        numbers: dict[tuple[str, int], int] = {}
        for node in nodes:
            if node not in new:
                group = ("last", last[node])
            elif node in first:
                group = ("new", first[node])
            else:
                group = ("alone", node)
            self._put(node, self._number(numbers, group))
        return new

    def split(self, parts: AbstractSet[int]) -> set[int]:
        """Of these parts, those that are not connected: the largest piece stays. These parts, with
        those that come of it."""
        result = set(parts)
        for part in sorted(parts):
            for piece in self._pieces(self._members[part])[1:]:
                own = self._new_part()
                result.add(own)
                for node in sorted(piece):
                    self._move(node, own)
        return result

    def move(self, start: Iterable[int]) -> set[int]:
        """Nodes go where it is best for them, those first; the parts that changed."""
        line = deque(start)
        waiting = set(line)
        changed: set[int] = set()
        while line:
            node = line.popleft()
            waiting.discard(node)
            here = self.part_of[node]
            there = self._best_for(node)
            if there == here:
                continue
            changed |= {here, there}
            self._move(node, there)
            for other, _ in self.neighbours[node]:
                if self.part_of[other] != there and other not in waiting:
                    line.append(other)
                    waiting.add(other)
        return changed

    def join(self, parts: AbstractSet[int]) -> None:
        """Each of these parts goes into the one that it is best joined to, where that is better."""
        for part in sorted(parts):
            members = self._members[part]
            if not members:
                continue
            links: dict[int, float] = defaultdict(float)
            for node in sorted(members):
                for other, weight in self.neighbours[node]:
                    if self.part_of[other] != part:
                        links[self.part_of[other]] += weight
            own = self._weights[part]
            best, most = part, _NO_GAIN * own
            for other in sorted(links):
                gain = links[other] - own * self._weights[other] / self._total
                if gain > most:
                    best, most = other, gain
            if best != part:
                for node in sorted(members):
                    self._move(node, best)

    def _best_for(self, node: int) -> int:
        """The part that gains most modularity by this node; where it is, if none gains more."""
        here, own = self.part_of[node], self._weight[node]
        links: dict[int, float] = defaultdict(float)
        for other, weight in self.neighbours[node]:
            links[self.part_of[other]] += weight

        def gain(part: int) -> float:
            others = self._weights[part] - (own if part == here else 0.0)
            return links.get(part, 0.0) - own * others / self._total

        best, most = here, gain(here)
        for part in sorted(links):
            if part != here and (gained := gain(part)) > most + _NO_GAIN * own:
                best, most = part, gained
        if most < -_NO_GAIN * own and len(self._members[here]) > 1:
            return self._new_part()
        return best

    def _pieces(self, nodes: AbstractSet[int]) -> list[set[int]]:
        """Connected pieces, the largest first, equal ones by their smallest node."""
        left = set(nodes)
        pieces: list[set[int]] = []
        while left:
            piece = {left.pop()}
            edge = list(piece)
            while edge:
                for other, _ in self.neighbours[edge.pop()]:
                    if other in left:
                        left.discard(other)
                        piece.add(other)
                        edge.append(other)
            pieces.append(piece)
        return sorted(pieces, key=lambda piece: (-len(piece), min(piece)))

    def _number(self, numbers: dict[tuple[str, int], int], group: tuple[str, int]) -> int:
        if group not in numbers:
            numbers[group] = self._new_part()
        return numbers[group]

    def _new_part(self) -> int:
        self._members.append(set())
        self._weights.append(0.0)
        return len(self._members) - 1

    def _put(self, node: int, part: int) -> None:
        self.part_of[node] = part
        self._members[part].add(node)
        self._weights[part] += self._weight[node]

    def _move(self, node: int, part: int) -> None:
        here = self.part_of[node]
        self._members[here].discard(node)
        self._weights[here] -= self._weight[node]
        self._put(node, part)
        self.moved.add(node)
