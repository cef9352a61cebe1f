"""One partition of a graph from nothing, by Leiden, and how good a partition is.

Traag, Waltman and van Eck, "From Louvain to Leiden: guaranteeing well-connected communities"
(2019), in graspologic-native's form.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version

from graspologic_native import leiden, modularity

WeightedEdge = tuple[int, int, float]
"""Two different nodes, and a weight above zero."""

LEIDEN_VERSION = f"graspologic-native {version('graspologic-native')}"

_RESOLUTION = 1.0


def leiden_partition(edges: Sequence[WeightedEdge], seed: int) -> dict[int, int]:
    """By node, the number of its part. Every part is connected. The same edges in the same order
    give the same parts; without edges there are none."""
    if not edges:
        return {}
    _, parts = leiden(
        _named(edges),
        resolution=_RESOLUTION,
        randomness=0.001,
        iterations=1,
        use_modularity=True,
        seed=seed,
    )
    return {int(node): part for node, part in parts.items()}


def modularity_of(edges: Sequence[WeightedEdge], parts: Mapping[int, int]) -> float:
    """Newman's, from -0.5 to 1. `parts`: of every node that has an edge.

    The numbers of parts may be any; without edges it is 0.
    """
    if not edges:
        return 0.0
    numbers: dict[int, int] = {}
    named = {
        str(node): numbers.setdefault(part, len(numbers)) for node, part in sorted(parts.items())
    }
    return modularity(_named(edges), named, _RESOLUTION)


def _named(edges: Iterable[WeightedEdge]) -> list[tuple[str, str, float]]:
    # The library takes strings alone; they do not change the result.
    return [(str(source), str(target), weight) for source, target, weight in edges]
