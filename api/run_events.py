"""How runs stand, as events: one reader for each run, however many look on."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from graphmill.application.run_workflows import RunHandle
from graphmill.application.runs import Runs
from graphmill.errors import GraphmillError, Unavailable
from graphmill.run_status import RunStatus

# What changes with the clock, and is no news.
_CLOCK = ("seconds", "documents_per_hour", "seconds_left")


@dataclass(frozen=True, slots=True)
class RunEvent:
    """`name`: progress, or end for the last one. `id` is of what it tells: whoever has seen it has
    missed nothing until then. `data` is JSON, as GET /v1/runs/{id} answers."""

    name: str
    id: str
    data: str


class RunEvents:
    """For the time of a process."""

    def __init__(self, runs: Runs, seconds: float) -> None:
        """`seconds`: for so long anybody follows at once."""
        self._runs = runs
        self._seconds = seconds
        self._feeds: dict[tuple[str, str], _Feed] = {}
        self.stopped = False

    def stop(self) -> None:
        """All that follow are at their end, and whoever comes is too: the process ends. They go on
        elsewhere from what they have seen."""
        self.stopped = True
        for feed in tuple(self._feeds.values()):
            feed.stop()

    async def follow(self, run: RunHandle) -> AsyncIterator[RunEvent]:
        """How it stands now, and then whenever that has changed; where one comes late to read, the
        newest only. The last is that of its end, but where all are stopped, or the time is over:
        whoever goes on then is asked again who he is.

        Raises:
            NotFound: the run's collection was deleted.
            Unavailable: a server stayed away for a minute.
        """
        if self.stopped:
            return
        name = (run.tenant, run.run_id)
        feed = self._feeds.get(name)
        if feed is None:
            feed = _Feed(self._runs.wait(run))
            self._feeds[name] = feed
            # Who comes later is to find out anew; one who stands still may keep this for long.
            feed.on_end(lambda: self._forget(name, feed))
        feed.followers += 1
        try:
            seen = 0
            loop = asyncio.get_running_loop()
            over = loop.time() + self._seconds
            while not self.stopped and loop.time() < over:
                try:
                    async with asyncio.timeout_at(over):
                        seen = await feed.beyond(seen)
                except TimeoutError:
                    return
                if self.stopped or feed.latest is None:
                    return
                yield feed.latest
                if feed.latest.name == "end":
                    return
        finally:
            feed.followers -= 1
            if not feed.followers:
                self._forget(name, feed)
                feed.stop()

    def _forget(self, name: tuple[str, str], feed: "_Feed") -> None:
        if self._feeds.get(name) is feed:
            del self._feeds[name]


class _Feed:
    def __init__(self, states: AsyncIterator[RunStatus]) -> None:
        self.followers = 0
        self.latest: RunEvent | None = None
        self._told = 0
        self._stopped = False
        self._changed = asyncio.Event()
        self._error: GraphmillError | None = None
        # In the context of who came first, thus for his tenant: the run is of no other's.
        self._task = asyncio.create_task(self._read(states))

    async def beyond(self, seen: int) -> int:
        """Waits until more than `seen` events were told, or it is stopped; how many were."""
        while self._told <= seen and not self._stopped:
            if self._error is not None:
                raise self._error
            if self._task.done():
                self._task.result()  # what nobody foresaw
                raise Unavailable("how the run stands cannot be told now; ask again later")
            await self._changed.wait()
        return self._told

    def on_end(self, do: Callable[[], None]) -> None:
        self._task.add_done_callback(lambda _: do())

    def stop(self) -> None:
        self._stopped = True
        self._changed.set()
        self._task.cancel()

    async def _read(self, states: AsyncIterator[RunStatus]) -> None:
        try:
            async for status in states:
                event = event_of(status)
                if self.latest is None or event.id != self.latest.id:
                    self.latest = event
                    self._tell()
        except GraphmillError as error:
            self._error = error
        finally:
            self._changed.set()

    def _tell(self) -> None:
        self._told += 1
        self._changed.set()
        self._changed = asyncio.Event()


def event_of(status: RunStatus) -> RunEvent:
    told = status.to_json()
    if status.ended:
        # What its collection does later is no news of it.
        news: dict[str, Any] = {"run_id": status.run_id, "state": str(status.state)}
    else:
        news = {name: value for name, value in told.items() if name not in _CLOCK}
        news["projections"] = [
            {name: value for name, value in one.items() if name != "behind_seconds"}
            for one in told["projections"]
        ]
    digest = hashlib.sha256(json.dumps(news, sort_keys=True).encode()).hexdigest()
    return RunEvent("end" if status.ended else "progress", digest[:16], json.dumps(told))
