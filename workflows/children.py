"""Starting a child whose id an earlier workflow may still hold."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import WorkflowAlreadyStartedError

T = TypeVar("T")

_FIRST_LOOK = timedelta(seconds=1)
_LONGEST_LOOK = timedelta(seconds=30)


async def when_free(start: Callable[[], Awaitable[T]]) -> T:
    """Start a child as soon as its id is free.

    The children of a run or page that somebody terminated end a little after it, and their ids are
    those that the next one uses.
    """
    look = _FIRST_LOOK
    while True:
        try:
            return await start()
        except WorkflowAlreadyStartedError:
            await workflow.sleep(look)
            look = min(2 * look, _LONGEST_LOOK)
