"""Errors on their way from an activity to Temporal: the one place that says what is retried.

- PermanentError: never.
- TransientError, and what `is_transient` knows of the clients in use: always (the server that is
  down comes back, or somebody cancels the run); as soon as the policy says, or as the error does.
- Anything else is a bug or a surprise: a few times, so that it ends instead of going on for ever.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from graphmill.errors import PermanentError, TransientError

_SURPRISES = 5


class FailureInterceptor(Interceptor):
    """Translates errors of all activities of a worker."""

    def __init__(self, is_transient: Callable[[BaseException], bool]) -> None:
        self._is_transient = is_transient

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Inbound(next, self._is_transient)


class _Inbound(ActivityInboundInterceptor):
    def __init__(
        self, next: ActivityInboundInterceptor, is_transient: Callable[[BaseException], bool]
    ) -> None:
        super().__init__(next)
        self._is_transient = is_transient

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await super().execute_activity(input)
        except PermanentError as error:
            raise ApplicationError(
                str(error), type=type(error).__name__, non_retryable=True
            ) from None
        except TransientError as error:
            raise ApplicationError(
                str(error),
                type=type(error).__name__,
                next_retry_delay=timedelta(seconds=error.retry_in) if error.retry_in else None,
            ) from None
        except ApplicationError:
            raise
        except Exception as error:
            if self._is_transient(error):
                # A driver's words may hold a statement's values: only its kind is told.
                raise ApplicationError(
                    "a server that is needed does not answer", type=type(error).__name__
                ) from None
            activity.logger.exception("activity failed in an unexpected way")
            raise ApplicationError(
                f"unexpected {type(error).__name__}; the worker's log has the details",
                type=type(error).__name__,
                non_retryable=activity.info().attempt >= _SURPRISES,
            ) from None
