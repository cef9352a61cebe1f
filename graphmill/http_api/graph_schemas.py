"""Rows of the published graph, as pages show them."""

from uuid import UUID

from pydantic import BaseModel, Field

from graphmill.graph_pages import MOST_IDS
from graphmill.http_api import examples
from graphmill.http_api.examples import like
from graphmill.http_api.schemas import Page

_FIRST = f"The first {MOST_IDS}."


class _GraphPage(Page):
    graph: str = Field(
        description="The version of the graph that the rows are of; where it differs from that of"
        " the page before, another was published meanwhile. Empty before the first."
    )


class Entity(BaseModel):
    id: UUID
    title: str
    type: str
    description: str
    frequency: int = Field(description="Text units that name it.")
    degree: int = Field(description="Relationships.")
    text_unit_ids: list[UUID] = Field(description=_FIRST)


class EntityPage(_GraphPage):
    model_config = like(examples.ENTITIES)

    entities: list[Entity]


class Neighbour(BaseModel):
    relationship_id: UUID
    source: str
    target: str
    description: str
    weight: float
    combined_degree: int
    text_units: int = Field(description="That tell of the relationship.")
    text_unit_ids: list[UUID] = Field(description=_FIRST)
    neighbour: Entity


class NeighbourPage(_GraphPage):
    model_config = like(examples.NEIGHBOURS)

    neighbours: list[Neighbour]


class Community(BaseModel):
    id: UUID
    community: int
    level: int
    parent: int = Field(description="-1 at the root.")
    children: list[int]
    title: str
    period: str = Field(description="The latest creation_date of its documents.")
    size: int = Field(description="Entities.")
    relationships: int
    text_units: int
    entity_ids: list[UUID] = Field(
        description=f"{_FIRST} GET entities with community=NUMBER pages through all."
    )


class CommunityPage(_GraphPage):
    model_config = like(examples.COMMUNITIES)

    communities: list[Community]


class Finding(BaseModel):
    summary: str
    explanation: str


class Report(BaseModel):
    id: UUID
    community: int
    level: int
    parent: int
    title: str
    summary: str
    full_content: str
    rank: float = Field(description="0 to 10.")
    rating_explanation: str
    findings: list[Finding]
    period: str
    size: int


class ReportPage(_GraphPage):
    model_config = like(examples.REPORTS)

    reports: list[Report]
