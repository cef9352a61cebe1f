"""Figures of the whole deployment, over all tenants, for monitoring."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FleetFigures:
    """`documents` by state; runs that are under way, by state; how many `ended` within the last
    hour, by how. Connections to PostgreSQL: ours by state, those of all clients, and how many the
    server allows."""

    documents: Mapping[str, int]
    runs: Mapping[str, int]
    ended: Mapping[str, int]
    connections: Mapping[str, int]
    all_connections: int
    most_connections: int
