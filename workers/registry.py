"""Workers for the roles that a process runs."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta

import asyncpg
from temporalio.client import Client
from temporalio.worker import PollerBehaviorAutoscaling, UnsandboxedWorkflowRunner, Worker

from activities.failures import FailureInterceptor
from graphmill.roles import Role
from graphmill.settings import Settings
from graphmill.stores.postgres.database import is_transient
from workers.served import Served

# Activities in flight get this long to end after SIGTERM; then they are cancelled and done again.
_DRAIN = timedelta(seconds=20)

_Serve = Callable[[asyncpg.Pool, Settings], AbstractAsyncContextManager[Served]]


@asynccontextmanager
async def open_workers(
    client: Client, pool: asyncpg.Pool, settings: Settings, roles: Sequence[Role]
) -> AsyncGenerator[list[Worker]]:
    """Workers for these roles, not yet running, with all that they need."""
    async with AsyncExitStack() as stack:
        workers: list[Worker] = []
        for role in roles:
            for serve in _serving(role):
                served = await stack.enter_async_context(serve(pool, settings))
                workers.append(_worker(client, role, served))
        yield workers


def _worker(client: Client, role: Role, served: Served) -> Worker:
    return Worker(
        client,
        task_queue=served.queue,
        workflows=served.workflows,
        activities=served.activities,
        interceptors=[FailureInterceptor(is_transient), *served.interceptors],
        identity=f"{role}@{client.identity}",
        max_concurrent_activities=served.concurrent_activities,
        # The sandbox costs a third of a workflow's CPU to guard against what is not deterministic:
        # the tests run in it, and replay the histories of earlier releases.
        workflow_runner=UnsandboxedWorkflowRunner(),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(maximum=served.pollers),
        # After a restart all workflows are replayed at once; each must end within the SDK's 2 s.
        max_concurrent_workflow_tasks=10 if served.workflows else None,
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
            from workers.roles.store import serve_store

            return (serve_store,)
        case Role.PROJECTION:
            from workers.roles.projection import serve_projection

            return (serve_projection,)
