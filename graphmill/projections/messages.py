"""What crosses Temporal on the way of a published graph into other stores."""

from dataclasses import dataclass
from typing import Any

from graphmill.models import CollectionKey
from graphmill.written_by_hand import read_fields, read_flag, read_key

PROJECT_GRAPH = "ProjectGraph"
PROJECT = "project"
"""The signal: look again at what is published."""


def project_workflow_id(key: CollectionKey) -> str:
    return f"project/{key.tenant}/{key.name}"


@dataclass(frozen=True, slots=True)
class ProjectRequest:
    """Bring all stores that are set up to what a collection shows to queries. `afresh`: write all,
    whatever they hold."""

    key: CollectionKey
    afresh: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "collection": self.key.name,
            "tenant": self.key.tenant,
            "afresh": self.afresh,
        }

    @classmethod
    def from_json(cls, value: object) -> "ProjectRequest":
        """Check JSON written by hand.

        Raises:
            InvalidRequest: says which field is missing, misspelt or wrong, and what is expected.
        """
        known = ("collection", "tenant", "afresh")
        fields = read_fields(value, known, ("collection",), '{"collection": "NAME"}')
        return cls(read_key(fields), read_flag(fields, "afresh"))


@dataclass(frozen=True, slots=True)
class ProjectToStore:
    """As ProjectRequest, of one store, by its name."""

    key: CollectionKey
    store: str
    afresh: bool = False


@dataclass(frozen=True, slots=True)
class ProjectedToStore:
    """Records that were written, and that went. `version`: of the graph that the store holds now;
    "": none, since the collection is gone."""

    store: str
    version: str
    written: int = 0
    removed: int = 0
