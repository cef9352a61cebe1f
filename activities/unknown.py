"""What a worker answers to an activity that it does not have."""

from collections.abc import Sequence

from temporalio import activity
from temporalio.common import RawValue

from graphmill.errors import PermanentError


class UnknownActivity(PermanentError):
    """An activity was scheduled that this worker's release does not have."""


@activity.defn(dynamic=True)
async def refuse_unknown(_: Sequence[RawValue]) -> None:
    """Refuse at once: without this, an activity of another release would be retried for ever."""
    info = activity.info()
    raise UnknownActivity(
        f"this worker does not know the activity {info.activity_type} on {info.task_queue}; deploy"
        " workers of the release that scheduled it"
    )
