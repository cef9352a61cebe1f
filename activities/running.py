"""What a worker works on now."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from graphmill.worker_pools import MOST_RUNNING, RunningTask


class RunningActivities(Interceptor):
    """Of one queue; the interceptor that is outside of all others, so that whatever they wait for
    counts."""

    def __init__(self) -> None:
        self._began: dict[object, tuple[float, str, str, int]] = {}

    @property
    def active(self) -> int:
        return len(self._began)

    def longest(self) -> tuple[RunningTask, ...]:
        """Those that have run longest, some of them."""
        now = time.monotonic()
        # In the order in which they began.
        begun = list(self._began.values())[:MOST_RUNNING]
        return tuple(
            RunningTask(kind, workflow_id, now - began, attempt)
            for began, kind, workflow_id, attempt in begun
        )

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Inbound(next, self)

    @contextmanager
    def noted(self) -> Generator[None]:
        info, token = activity.info(), object()
        workflow_id = info.workflow_id or ""
        self._began[token] = (time.monotonic(), info.activity_type, workflow_id, info.attempt)
        try:
            yield
        finally:
            del self._began[token]


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, running: RunningActivities) -> None:
        super().__init__(next)
        self._running = running

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        with self._running.noted():
            return await super().execute_activity(input)
