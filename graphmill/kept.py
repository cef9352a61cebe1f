"""What takes a while to find out is told again for some seconds, however many ask."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

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
