"""Places where calls are worked on, and the line of those that wait for one."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from tests.support.model_endpoint.client import Client
from tests.support.model_endpoint.counting import Call


class Places:
    def __init__(
        self, most: int, entered: Callable[[Call], None], left: Callable[[Call], None]
    ) -> None:
        """
        Args:
            entered, left: called in the moment in which a call gets its place, or gives it back;
                its own code may run much later, where many get theirs at once.
        """
        self._most = most
        self._in_use = 0
        self._entered = entered
        self._left = left
        # A queue, which clients may leave from anywhere.
        self._line: OrderedDict[asyncio.Future[None], Call] = OrderedDict()

    @property
    def waiting(self) -> int:
        return len(self._line)

    @property
    def all_in_use(self) -> bool:
        return self._in_use >= self._most

    def resize(self, most: int) -> None:
        """Fewer places: those over it are given up as their calls end."""
        self._most = most
        self._give()

    async def take(self, call: Call, client: Client) -> bool:
        """Get a place, after those who came before; False where the client leaves first."""
        if not self.all_in_use:
            self._enter(call)
            return True
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line[given] = call
        stays = await client.stays_until(given)
        if not stays:
            if given.done():
                self.free(call)
            else:
                del self._line[given]
        return stays

    def free(self, call: Call) -> None:
        self._in_use -= 1
        self._left(call)
        self._give()

    def _enter(self, call: Call) -> None:
        self._in_use += 1
        self._entered(call)

    def _give(self) -> None:
        while self._line and not self.all_in_use:
            given, call = self._line.popitem(last=False)
            given.set_result(None)
            self._enter(call)
