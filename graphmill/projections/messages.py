"""What crosses Temporal on the way of a published graph into other stores."""

from dataclasses import dataclass
from typing import Any, cast

from graphmill.errors import InvalidRequest
from graphmill.models import CollectionKey
from graphmill.names import check_collection_name, check_tenant_name

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
        if not isinstance(value, dict) or "collection" not in value:
            raise InvalidRequest('input must be a JSON object such as {"collection": "NAME"}')
        fields = cast(dict[str, object], value)
        known = ("collection", "tenant", "afresh")
        unknown = sorted(set(fields) - set(known))
        if unknown:
            raise InvalidRequest(
                f"input has unknown field {', '.join(unknown)}; known are {', '.join(known)}"
            )
        afresh = fields.get("afresh", False)
        if not isinstance(afresh, bool):
            raise InvalidRequest(f"afresh is {afresh!r}; expected is true or false")
        name = check_collection_name(fields["collection"])
        return cls(CollectionKey(check_tenant_name(fields.get("tenant", "default")), name), afresh)


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
