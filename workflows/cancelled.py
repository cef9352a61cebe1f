"""A cancellation that has come and was not raised."""

import asyncio

from temporalio import workflow


def raise_if_cancelled() -> None:
    """For between two steps. The SDK raises a cancellation once, where the workflow waits at that
    moment. Where it waits for the start of a child, or for a signal to one to arrive, and that is
    answered in the same workflow task, it is given the answer instead (temporalio 1.35's
    `_await_temporal_operation`), and would go on to its end as if nobody had cancelled it."""
    if workflow.cancellation_reason() is not None and workflow.patched("a-cancel-is-not-missed"):
        raise asyncio.CancelledError
