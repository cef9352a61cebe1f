"""What a projection holds of a published graph, record by record."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID


class Kind(StrEnum):
    """In the order in which they are written: what a record points to is there before it."""

    DOCUMENT = "document"
    TEXT_UNIT = "text_unit"
    ENTITY = "entity"
    RELATIONSHIP = "relationship"
    COMMUNITY = "community"
    COVARIATE = "covariate"


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a graph. `properties`: strings, numbers, and lists of them. `links`: by name, the
    records that it points to:

        text_unit       document
        entity          text_units
        relationship    source, target (entities)
        community       entities, parent (none at level 0)
        covariate       text_unit, about (entities, of those that the graph has)

    `digest`: of properties and links; equal ones need not be written again.
    """

    id: UUID
    digest: str
    properties: Mapping[str, Any]
    links: Mapping[str, tuple[UUID, ...]]
