"""What an activity works on, for its log and its spans."""

from typing import Any
from uuid import UUID

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from graphmill.models import CollectionKey
from graphmill.telemetry.spans import add_to_current
from graphmill.telemetry.subjects import about


class SubjectInterceptor(Interceptor):
    """Of all activities of a worker."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Inbound(next)


class _Inbound(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info, ids = activity.info(), _of(input.args)
        add_to_current(
            {
                **{f"graphmill.{name}": id for name, id in ids.items()},
                "graphmill.attempt": info.attempt,
                "graphmill.task_queue": info.task_queue,
            }
        )
        with about(**ids, workflow_id=info.workflow_id or "", activity=info.activity_type):
            return await super().execute_activity(input)


def _of(args: Any) -> dict[str, str]:
    """Ids that its input has; inputs are ours, and have one argument."""
    ids: dict[str, str] = {}
    for given in args:
        match getattr(given, "key", None):
            case CollectionKey() as key:
                ids |= {"tenant": key.tenant, "collection": key.name}
            case _:
                pass
        for name in ("document_id", "run_id"):
            match getattr(given, name, None):
                case UUID() as id:
                    ids[name] = str(id)
                case _:
                    pass
    return ids
