"""The kinds of work that workers do, and which of them share a process on one machine."""

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """A kind of work, with a task queue of its own."""

    WORKFLOW = "workflow"
    CPU = "cpu"
    LLM = "llm"
    EMBEDDING = "embedding"
    STORE = "store"
    PROJECTION = "projection"


# Workflow code apart from the rest: it must answer the server within seconds. CPU work apart: the
# kernel may kill it for its memory. The other roles mostly wait.
ON_ONE_MACHINE: Mapping[str, tuple[Role, ...]] = {
    "worker-workflow": (Role.WORKFLOW,),
    "worker-cpu": (Role.CPU,),
    "worker-io": (Role.LLM, Role.EMBEDDING, Role.STORE, Role.PROJECTION),
}
"""The workers that `graphmill up` runs, by name."""
