"""What a worker does after each of its activities, before anybody hears that it has ended."""

from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)


class AfterEach(Interceptor):
    """Whatever becomes of the activity; `then` must not raise."""

    def __init__(self, then: Callable[[], Awaitable[None]]) -> None:
        self._then = then

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Inbound(next, self._then)


class _Inbound(ActivityInboundInterceptor):
    def __init__(
        self, next: ActivityInboundInterceptor, then: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(next)
        self._then = then

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await super().execute_activity(input)
        finally:
            await self._then()
