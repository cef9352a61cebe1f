"""A cancellation that has come and was not raised."""

import asyncio

from temporalio import workflow


def raise_if_cancelled() -> None:
    """For between two steps. The SDK raises a cancellation once, where the workflow waits at that
    moment; in one in which what it waits for comes too it may be given that instead, and would go
    on to its end as if nobody had cancelled it."""
    if workflow.cancellation_reason() is not None and workflow.patched("a-cancel-is-not-missed"):
        raise asyncio.CancelledError
