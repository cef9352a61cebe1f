"""Workers for the roles that a process runs."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import asyncpg
from temporalio.client import Client
from temporalio.worker import PollerBehaviorAutoscaling, Worker

from activities.failures import FailureInterceptor
from activities.running import RunningActivities
from activities.subjects import SubjectInterceptor
from graphmill.roles import Role
from graphmill.settings import Settings
from graphmill.stores.postgres.database import is_transient
from graphmill.worker_pools import Pool
from workers.served import Served
from workflows.written_by_hand import CheckingRunner

# Activities in flight get this long to end after SIGTERM; then they are cancelled and done again.
_DRAIN = timedelta(seconds=20)

# After a restart all workflows are replayed at once; each must end within the SDK's 2 s.
_WORKFLOW_TASKS = 10

_Serve = Callable[[asyncpg.Pool, Settings], AbstractAsyncContextManager[Served]]


@asynccontextmanager
async def open_workers(
    client: Client, pool: asyncpg.Pool, settings: Settings, roles: Sequence[Role]
) -> AsyncGenerator["OpenWorkers"]:
    """Workers for these roles, not yet running, with all that they need."""
    async with AsyncExitStack() as stack:
        opened = OpenWorkers()
        for role in roles:
            for serve in _serving(role):
                served = await stack.enter_async_context(serve(pool, settings))
                running = RunningActivities()
                opened.workers.append(_worker(client, role, served, running))
                opened.served.append((role, served, running))
        yield opened


@dataclass(frozen=True, slots=True)
class OpenWorkers:
    workers: list[Worker] = field(default_factory=list[Worker])
    served: list[tuple[Role, Served, RunningActivities]] = field(
        default_factory=list[tuple[Role, Served, RunningActivities]]
    )

    def pools(self) -> list[Pool]:
        """As they are now."""
        return [
            Pool(
                role,
                served.queue,
                _size(served),
                running.active if served.activities else None,
                running.longest(),
            )
            for role, served, running in self.served
        ]


def _size(served: Served) -> int:
    return served.concurrent_activities if served.activities else _WORKFLOW_TASKS


def _worker(client: Client, role: Role, served: Served, running: RunningActivities) -> Worker:
    return Worker(
        client,
        task_queue=served.queue,
        workflows=served.workflows,
        activities=served.activities,
        interceptors=[
            running,
            SubjectInterceptor(),
            FailureInterceptor(is_transient),
            *served.interceptors,
        ],
        identity=f"{role}@{client.identity}",
        max_concurrent_activities=served.concurrent_activities,
        # The sandbox costs a third of a workflow's CPU to guard against what is not deterministic:
        # the tests run in it, and replay the histories of earlier releases.
        workflow_runner=CheckingRunner(),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(maximum=served.pollers),
        max_concurrent_workflow_tasks=_WORKFLOW_TASKS if served.workflows else None,
        max_cached_workflows=served.cached_workflows,
        # A worker that was killed leaves tasks on its own queue; they move on after this.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=5),
        graceful_shutdown_timeout=_DRAIN,
    )


def _serving(role: Role) -> Sequence[_Serve]:
    # Imported here: a worker loads the libraries of its own roles alone.
    match role:
        case Role.WORKFLOW:
            from workers.roles.workflow import serve_documents, serve_workflows

            return serve_workflows, serve_documents
        case Role.CPU:
            from workers.roles.cpu import serve_cpu

            return (serve_cpu,)
        case Role.LLM:
            from workers.roles.llm import serve_llm

            return (serve_llm,)
        case Role.EMBEDDING:
            from workers.roles.embedding import serve_embedding

            return (serve_embedding,)
        case Role.STORE:
            from workers.roles.store import serve_folders, serve_store

            return serve_store, serve_folders
        case Role.PROJECTION:
            from workers.roles.projection import serve_projection

            return (serve_projection,)
