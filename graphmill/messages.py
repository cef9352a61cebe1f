"""What crosses Temporal: ids, counts and settings' names, never text of a document.

One dataclass each way for every workflow, activity, query and signal. IndexCollection's input, which
people write by hand, comes as plain JSON and is checked by `IndexRequest.from_json`.
"""

from dataclasses import dataclass
from typing import Any, cast


from graphmill.errors import InvalidRequest
from graphmill.models import CollectionKey, Method, Phase, RunState
from graphmill.names import check_collection_name, check_tenant_name

# Names by which clients, the temporal CLI and the Web UI address workflows.
INDEX_COLLECTION = "IndexCollection"
INDEX_DOCUMENT = "IndexDocument"
BUILD_COMMUNITIES = "BuildCommunities"
TASK_QUEUE = "graphmill"

PAUSE = "pause"
RESUME = "resume"
ADD_DOCUMENTS = "add_documents"
PROGRESS = "progress"


def index_workflow_id(key: CollectionKey) -> str:
    return f"index/{key.tenant}/{key.name}"


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """Index what is new, changed or (with force_rebuild) everything in a collection."""

    collection: str
    tenant: str = "default"
    method: Method = Method.FAST
    force_rebuild: bool = False
    priority: int = 3

    @property
    def key(self) -> CollectionKey:
        return CollectionKey(self.tenant, self.collection)

    def to_json(self) -> dict[str, Any]:
        return {
            "collection": self.collection,
            "tenant": self.tenant,
            "method": str(self.method),
            "force_rebuild": self.force_rebuild,
            "priority": self.priority,
        }

    @classmethod
    def from_json(cls, value: object) -> "IndexRequest":
        """Check JSON written by hand.

        Raises:
            InvalidRequest: says which field is missing, misspelt or wrong, and what is expected.
        """
        if not isinstance(value, dict):
            raise InvalidRequest('input must be a JSON object such as {"collection": "NAME"}')
        fields = dict(cast(dict[str, object], value))
        known = ("collection", "tenant", "method", "force_rebuild", "priority")
        unknown = sorted(set(fields) - set(known))
        if unknown:
            raise InvalidRequest(
                f"input has unknown field {', '.join(unknown)}; known are {', '.join(known)}"
            )
        if "collection" not in fields:
            raise InvalidRequest('input lacks the field "collection" (the collection\'s name)')
        collection = check_collection_name(fields["collection"])
        tenant = check_tenant_name(fields.get("tenant", "default"))
        try:
            method = Method(str(fields.get("method", Method.FAST)))
        except ValueError:
            raise InvalidRequest(
                f"method is {fields['method']!r}; this release has {', '.join(Method)}"
            ) from None
        force_rebuild = fields.get("force_rebuild", False)
        if not isinstance(force_rebuild, bool):
            raise InvalidRequest(f"force_rebuild is {force_rebuild!r}; true or false is expected")
        priority = fields.get("priority", 3)
        if type(priority) is not int or not 1 <= priority <= 5:
            raise InvalidRequest(f"priority is {priority!r}; a whole number from 1 to 5 is expected")
        return cls(collection, tenant, method, force_rebuild, priority)


@dataclass(frozen=True, slots=True)
class DocumentCounts:
    total: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class RunProgress:
    """The answer to the progress query."""

    run_id: str
    state: RunState
    phase: Phase
    documents: DocumentCounts
    in_flight: int


