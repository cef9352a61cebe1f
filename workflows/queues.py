"""Task queues, and whose they are."""

from dataclasses import dataclass

from graphmill.messages import TASK_QUEUE
from graphmill.roles import Role

WORKFLOW_QUEUE = TASK_QUEUE
# IndexDocument alone: where many workflows wait, tenants must have their turns. Workers keep no
# workflow of this queue in memory, since the queues of those that are kept (sticky) know priority
# and no fairness; and a document's history is short.
DOCUMENT_QUEUE = f"{TASK_QUEUE}-document"
CPU_QUEUE = f"{TASK_QUEUE}-cpu"
LLM_QUEUE = f"{TASK_QUEUE}-llm"
EMBEDDING_QUEUE = f"{TASK_QUEUE}-embedding"
STORE_QUEUE = f"{TASK_QUEUE}-store"
# Uploads of whole folders, which may take hours: they wait for each other, and nothing for them.
FOLDER_QUEUE = f"{TASK_QUEUE}-folder"
PROJECTION_QUEUE = f"{TASK_QUEUE}-projection"


@dataclass(frozen=True, slots=True)
class Queue:
    """`workflows`: it has tasks of workflows, not of activities."""

    name: str
    role: Role
    workflows: bool = False


QUEUES = (
    Queue(WORKFLOW_QUEUE, Role.WORKFLOW, workflows=True),
    Queue(DOCUMENT_QUEUE, Role.WORKFLOW, workflows=True),
    Queue(CPU_QUEUE, Role.CPU),
    Queue(LLM_QUEUE, Role.LLM),
    Queue(EMBEDDING_QUEUE, Role.EMBEDDING),
    Queue(STORE_QUEUE, Role.STORE),
    Queue(FOLDER_QUEUE, Role.STORE),
    Queue(PROJECTION_QUEUE, Role.PROJECTION),
)
