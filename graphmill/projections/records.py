"""What a projection holds of a published graph, record by record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID


class Kind(StrEnum):
    """In the order in which they are written: what a record points to is there before it. The last
    three are vectors, named as their vector indexes."""

    DOCUMENT = "document"
    TEXT_UNIT = "text_unit"
    ENTITY = "entity"
    RELATIONSHIP = "relationship"
    COMMUNITY = "community"
    COVARIATE = "covariate"
    TEXT_UNIT_TEXT = "text_unit_text"
    ENTITY_DESCRIPTION = "entity_description"
    COMMUNITY_FULL_CONTENT = "community_full_content"


VECTORS = (Kind.TEXT_UNIT_TEXT, Kind.ENTITY_DESCRIPTION, Kind.COMMUNITY_FULL_CONTENT)
GRAPH = tuple(kind for kind in Kind if kind not in VECTORS)


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a graph. `properties`: strings, numbers, and lists of them. `links`: by name, the
    records that it points to:

        text_unit       document
        entity          text_units
        relationship    source, target (entities)
        community       entities, parent (none at level 0)
        covariate       text_unit, about (entities, of those that the graph has)

    Of an entity, the property label is its type where the collection asks for that type, else
    null. Of a vector, `vector` is it, by the published graph's embedding model.
    `digest`: of all that a record says; equal ones need not be written again.
    """

    id: UUID
    digest: str
    properties: Mapping[str, Any]
    links: Mapping[str, tuple[UUID, ...]] = field(default_factory=dict[str, tuple[UUID, ...]])
    vector: Sequence[float] = ()
