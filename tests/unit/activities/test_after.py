"""What follows an activity is done before anybody hears that it has ended."""

from typing import Any, cast

import pytest
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.after import AfterEach


class Activity:
    """An activity that ends as it is told to."""

    def __init__(self, seen: list[str], error: Exception | None = None) -> None:
        self._seen = seen
        self._error = error

    async def execute_activity(self, input: ExecuteActivityInput) -> str:
        self._seen.append("worked")
        if self._error is not None:
            raise self._error
        return "result"


async def run(seen: list[str], error: Exception | None = None) -> Any:
    async def then() -> None:
        seen.append("then")

    next = cast(ActivityInboundInterceptor, Activity(seen, error))
    inbound = AfterEach(then).intercept_activity(next)
    return await inbound.execute_activity(cast(ExecuteActivityInput, None))


async def test_it_follows_whatever_becomes_of_the_activity() -> None:
    seen: list[str] = []
    assert await run(seen) == "result"
    with pytest.raises(ZeroDivisionError):
        await run(seen, ZeroDivisionError())
    assert seen == ["worked", "then", "worked", "then"]
