"""The published graph as people page through it: entities, who stands beside one, communities.

(Reports are models.CommunityReport.) Of a long list of ids the first are told, and how many there
are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

R = TypeVar("R")

MOST_IDS = 100
"""Of a list of ids in a row."""


@dataclass(frozen=True, slots=True)
class GraphPage(Generic[R]):
    """`graph` is the version of the graph that all rows are of, "" before the first is published;
    where it differs from that of the page before, another was published meanwhile. `next` is what
    `after` gets for the page behind this one; None: this is the last."""

    graph: str
    rows: Sequence[R]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class EntityRow:
    id: UUID
    title: str
    type: str
    description: str
    frequency: int
    degree: int
    text_unit_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class NeighbourRow:
    """A relationship of an entity, and the entity at its other end."""

    relationship_id: UUID
    source: str
    target: str
    description: str
    weight: float
    combined_degree: int
    text_units: int
    text_unit_ids: tuple[UUID, ...]
    neighbour: EntityRow


@dataclass(frozen=True, slots=True)
class CommunityRow:
    """`parent` is -1 at the root. `size` is in entities."""

    id: UUID
    community: int
    level: int
    parent: int
    children: tuple[int, ...]
    title: str
    period: str
    size: int
    relationships: int
    text_units: int
    entity_ids: tuple[UUID, ...]
