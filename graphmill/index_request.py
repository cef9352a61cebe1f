"""What a run of IndexCollection is asked for.

People write it by hand, in the Web UI and for the temporal CLI: it crosses Temporal as plain JSON,
and `IndexRequest.from_json` checks it.
"""

import math
from dataclasses import dataclass
from typing import Any

from graphmill.errors import InvalidRequest
from graphmill.models import CollectionKey, Method
from graphmill.written_by_hand import read_fields, read_flag, read_key

INDEX_COLLECTION = "IndexCollection"

# Its signals, and its query.
PAUSE = "pause"
RESUME = "resume"
ADD_DOCUMENTS = "add_documents"
PROGRESS = "progress"

FAST_BATCH = (
    "method fast asks no model, so there is nothing to ask in batches; leave batch (--batch) out,"
    " or index with method standard"
)

# More than anybody has to spend, and little enough to be counted in 1e-9 dollars.
MOST_BUDGET_USD = 1_000_000_000


def index_workflow_id(key: CollectionKey) -> str:
    return f"index/{key.tenant}/{key.name}"


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """Index what is new, changed or (with force_rebuild) everything in a collection.

    `method` None: standard where the worker that opens the run knows a model endpoint, else fast.
    `budget_usd`: the most that models may cost in this run; None: as much as it takes. `batch`: the
    endpoint's Batch API is asked, which takes up to a day and costs half. `recluster`: communities
    are found afresh, not from those that the published graph has; so with force_rebuild.
    """

    collection: str
    tenant: str = "default"
    method: Method | None = None
    force_rebuild: bool = False
    priority: int = 3
    budget_usd: float | None = None
    batch: bool = False
    recluster: bool = False

    def __post_init__(self) -> None:
        """
        Raises:
            InvalidRequest: batches of a method that asks no model.
        """
        if self.batch and self.method is Method.FAST:
            raise InvalidRequest(FAST_BATCH)

    @property
    def key(self) -> CollectionKey:
        return CollectionKey(self.tenant, self.collection)

    def to_json(self) -> dict[str, Any]:
        """What is left open is left out: workers of a release before know no null."""
        fields: dict[str, Any] = {
            "collection": self.collection,
            "tenant": self.tenant,
            "force_rebuild": self.force_rebuild,
            "priority": self.priority,
        }
        if self.method is not None:
            fields["method"] = str(self.method)
        if self.budget_usd is not None:
            fields["budget_usd"] = self.budget_usd
        if self.batch:
            fields["batch"] = True
        if self.recluster:
            fields["recluster"] = True
        return fields

    @classmethod
    def from_json(cls, value: object) -> "IndexRequest":
        """Check JSON written by hand.

        Raises:
            InvalidRequest: says which field is missing, misspelt or wrong, and what is expected.
        """
        known = (
            "collection",
            "tenant",
            "method",
            "force_rebuild",
            "priority",
            "budget_usd",
            "batch",
            "recluster",
        )
        fields = read_fields(value, known, ("collection",), '{"collection": "NAME"}')
        key = read_key(fields)
        given = fields.get("method")
        try:
            method = None if given is None else Method(str(given))
        except ValueError:
            raise InvalidRequest(
                f"method is {given!r}; this release has {', '.join(Method)}"
            ) from None
        force_rebuild = read_flag(fields, "force_rebuild")
        priority = fields.get("priority", 3)
        if type(priority) is not int or not 1 <= priority <= 5:
            raise InvalidRequest(f"priority is {priority!r}; expected is a whole number, 1 to 5")
        budget_usd = check_budget(fields.get("budget_usd"))
        batch, recluster = read_flag(fields, "batch"), read_flag(fields, "recluster")
        return cls(
            key.name, key.tenant, method, force_rebuild, priority, budget_usd, batch, recluster
        )


def check_budget(given: object) -> float | None:
    """
    Raises:
        InvalidRequest: it is neither None nor an amount of dollars.
    """
    if given is None:
        return None
    if (
        isinstance(given, bool)
        or not isinstance(given, int | float)
        or not math.isfinite(given)
        or not 0 <= given <= MOST_BUDGET_USD
    ):
        raise InvalidRequest(
            f"budget_usd is {given!r}; expected is a number of dollars, 0 to {MOST_BUDGET_USD:,}"
        )
    return float(given)
