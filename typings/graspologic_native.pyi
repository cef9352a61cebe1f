"""What graphmill uses of graspologic-native 1.3, which ships no types of its own."""

from collections.abc import Sequence

class HierarchicalCluster:
    node: str
    cluster: int
    level: int
    parent_cluster: int | None
    is_final_cluster: bool

def hierarchical_leiden(
    edges: Sequence[tuple[str, str, float]],
    starting_communities: dict[str, int] | None = None,
    resolution: float = 1.0,
    randomness: float = 0.001,
    iterations: int = 1,
    use_modularity: bool = True,
    max_cluster_size: int = 1000,
    seed: int | None = None,
    max_local_moving_iterations: int | None = None,
) -> list[HierarchicalCluster]: ...
