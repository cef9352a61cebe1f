"""A sign of life while an activity works, so that a dead worker is noticed within seconds, and with
it what keeps the activity: calls of models that have to be made again."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass

from temporalio import activity


@dataclass(slots=True)
class Retries:
    """Calls made again since the activity began, and why the last of them was. As heartbeat
    details: for whoever looks at the activity in the Web UI or `temporal workflow describe`."""

    calls_made_again: int = 0
    last_reason: str = ""


_retries: ContextVar[Retries | None] = ContextVar("retries", default=None)


@asynccontextmanager
async def heartbeating(
    progress: Callable[[], Mapping[str, object] | None] = lambda: None,
) -> AsyncGenerator[None]:
    """Heartbeat three times in each heartbeat timeout for as long as the block takes. `progress`:
    what the next try is to know if this one ends here (`activity.info().heartbeat_details`)."""
    timeout = activity.info().heartbeat_timeout
    if timeout is None:
        yield
        return
    retries = Retries()

    async def beat(every: float) -> None:
        while True:
            await asyncio.sleep(every)
            told = progress() or (asdict(retries) if retries.calls_made_again else None)
            activity.heartbeat(*(() if told is None else (told,)))

    task = asyncio.create_task(beat(timeout.total_seconds() / 3))
    # Tasks that the block makes have it too.
    token = _retries.set(retries)
    try:
        yield
    finally:
        _retries.reset(token)
        task.cancel()


def note_retry(reason: str) -> None:
    """A call of the activity at hand is made again; `reason` holds no word of a document. Nothing
    where no activity is at work."""
    retries = _retries.get()
    if retries is not None:
        retries.calls_made_again += 1
        retries.last_reason = reason
