"""Errors of activities, as Temporal is told of them."""

from datetime import timedelta
from typing import cast

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.failures import FailureInterceptor
from graphmill.errors import PermanentError, TransientError, Unavailable


class Fails:
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def execute_activity(self, input: ExecuteActivityInput) -> None:
        raise self._error


async def told(error: Exception) -> ApplicationError:
    failing = cast(ActivityInboundInterceptor, Fails(error))
    inbound = FailureInterceptor(lambda _: False).intercept_activity(failing)
    with pytest.raises(ApplicationError) as found:
        await inbound.execute_activity(cast(ExecuteActivityInput, None))
    return found.value


async def test_what_never_passes_is_not_retried_and_what_may_is_as_soon_as_the_policy_says() -> (
    None
):
    assert (await told(PermanentError("no"))).non_retryable
    passing = await told(TransientError("not now"))
    assert not passing.non_retryable
    assert passing.next_retry_delay is None


async def test_what_is_known_to_last_is_not_retried_before() -> None:
    away = Unavailable("closed")
    away.retry_in = 90.0
    assert (await told(away)).next_retry_delay == timedelta(seconds=90)
