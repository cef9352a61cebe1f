"""What an activity works on and how it ended, for its log and its spans."""

import logging
import time
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.results import told_of
from graphmill.models import CollectionKey
from graphmill.telemetry.spans import add_to_current
from graphmill.telemetry.subjects import about

_logger = logging.getLogger(__name__)

_PARTS = ("graph", "request", "run")
_IDS = ("run_id", "document_id", "graph_id")


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
            begun = time.monotonic()
            try:
                result = await super().execute_activity(input)
            except ApplicationError as error:
                # Its words are in Temporal's history, and fit to be told (activities/failures.py).
                _logger.warning("try %d failed: %s", info.attempt, error)
                raise
            level, line = told_of(result)
            _logger.log(level, "%s (%.3f s)", line, time.monotonic() - begun)
            return result


def _of(args: Iterable[object]) -> dict[str, str]:
    """Ids that its input has: itself, or in the part of it that says what it is about."""
    ids: dict[str, str] = {}
    for given in args:
        for part in (given, *(getattr(given, name, None) for name in _PARTS)):
            key = part if isinstance(part, CollectionKey) else getattr(part, "key", None)
            if isinstance(key, CollectionKey):
                ids |= {"tenant": key.tenant, "collection": key.name}
            for name in _IDS:
                id = getattr(part, name, None)
                if isinstance(id, UUID | int):
                    ids[name] = str(id)
    return ids
