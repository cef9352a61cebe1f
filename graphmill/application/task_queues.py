"""What Temporal says of a task queue: who polls it, what waits in it."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from workflows.queues import Queue


@dataclass(frozen=True, slots=True)
class QueueState:
    """`backlog`: tasks that no worker has taken yet, about."""

    polled: bool
    backlog: int


async def look_at(client: Client, queue: Queue, seconds: float) -> QueueState:
    """
    Raises:
        RPCError: Temporal does not answer in time.
    """
    kind = (
        TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
        if queue.workflows
        else TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
    )
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=queue.name),
            task_queue_type=kind,
            report_stats=True,
        ),
        timeout=timedelta(seconds=seconds),
    )
    return QueueState(bool(described.pollers), described.stats.approximate_backlog_count)
