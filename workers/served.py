"""What a worker takes from a queue, and how many at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from temporalio.worker import Interceptor


@dataclass(frozen=True, slots=True)
class Served:
    """What a worker takes from a queue of its role."""

    queue: str
    workflows: Sequence[type] = ()
    cached_workflows: int = 0
    activities: Sequence[Callable[..., Any]] = ()
    concurrent_activities: int = 1
    interceptors: Sequence[Interceptor] = ()
    pollers: int = field(default=5)
