"""What graphmill uses of graspologic-native 1.3, which ships no types of its own."""

from collections.abc import Sequence

def leiden(
    edges: Sequence[tuple[str, str, float]],
    starting_communities: dict[str, int] | None = None,
    resolution: float = 1.0,
    randomness: float = 0.001,
    iterations: int = 1,
    use_modularity: bool = True,
    seed: int | None = None,
    trials: int = 1,
    max_local_moving_iterations: int | None = None,
) -> tuple[float, dict[str, int]]: ...
def modularity(
    edges: Sequence[tuple[str, str, float]],
    communities: dict[str, int],
    resolution: float,
) -> float: ...
