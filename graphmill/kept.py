"""What takes a while to find out is told again for some seconds, however many ask."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from graphmill.telemetry.subjects import apart

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Kept(Generic[T]):
    def __init__(self, load: Callable[[], Awaitable[T]], seconds: float) -> None:
        """`seconds`: for so long it is told again."""
        self._load = load
        self._seconds = seconds
        self._loading = asyncio.Lock()
        self._loaded: tuple[float, T] | None = None

    async def get(self) -> T:
        """Loaded once for all who ask meanwhile. Raises as `load` does, which is then tried again
        by the next who asks."""
        async with self._loading:
            if self._loaded and time.monotonic() - self._loaded[0] < self._seconds:
                return self._loaded[1]
            found = await self._load()
            self._loaded = time.monotonic(), found
            return found


class KeptEach(Generic[K, T]):
    """As Kept, of many things, each by itself."""

    def __init__(self, load: Callable[[K], Awaitable[T]], seconds: float) -> None:
        """`seconds`: for so long it is told again, from the moment on when it was loaded."""
        self._load = load
        self._seconds = seconds
        self._loading: dict[K, asyncio.Task[T]] = {}
        self._loaded: dict[K, tuple[float, T]] = {}

    async def get(self, key: K) -> T:
        """Loaded once for all who ask meanwhile, whoever of them goes away. Raises as `load` does,
        which is then tried again by the next who asks."""
        now = time.monotonic()
        self._loaded = {
            one: (at, found)
            for one, (at, found) in self._loaded.items()
            if now - at < self._seconds
        }
        if key in self._loaded:
            return self._loaded[key][1]
        if key not in self._loading:
            with apart():
                task = asyncio.create_task(self._load_for(key))
            self._loading[key] = task
            task.add_done_callback(lambda task: self._done(key, task))
        return await asyncio.shield(self._loading[key])

    async def _load_for(self, key: K) -> T:
        found = await self._load(key)
        self._loaded[key] = time.monotonic(), found
        return found

    def _done(self, key: K, task: asyncio.Task[T]) -> None:
        del self._loading[key]
        if not task.cancelled():
            task.exception()  # those who wait are told of it; nobody may be left
