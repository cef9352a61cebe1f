"""The end of the process, from the moment on when it is told to end: event streams end at once, and
what goes on when its time is over is told to come again.

uvicorn tells an application that it ends when all requests are over, which streams never would be.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http import HTTPStatus
from types import FrameType

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import HEADERS, problem

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    """`begun`: the process was told to end, and takes no new connections."""

    def __init__(self) -> None:
        self.begun = False

    @contextmanager
    def telling(self, do: Callable[[], None]) -> Generator[None]:
        """For the time of the block signals that end the process call `do`, in the event loop,
        before what they did otherwise. Where the server listens to none, or not in this thread,
        nothing is called."""
        loop = asyncio.get_running_loop()
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def begin() -> None:
            if not self.begun:
                self.begun = True
                do()

        handlers = {number: signal.getsignal(number) for number in _SIGNALS}

        def on_signal(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(begin)
            before = handlers[signal.Signals(number)]
            if callable(before):
                before(number, frame)

        # Those without a handler would end nothing any more if they had ours.
        taken = [number for number, handler in handlers.items() if callable(handler)]
        for number in taken:
            signal.signal(number, on_signal)
        try:
            yield
        finally:
            for number in taken:
                if signal.getsignal(number) is on_signal:
                    signal.signal(number, handlers[number])


class CutOff:
    """Requests that are cancelled since the grace period is over: 503, where uvicorn would say 500,
    which nobody tries again."""

    def __init__(self, app: ASGIApp, shutdown: Shutdown) -> None:
        self._app = app
        self._shutdown = shutdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except asyncio.CancelledError:
            if begun or not self._shutdown.begun:
                raise
            await problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the server ends before it has answered: what was asked may be done or not; look,"
                " or send it again with the same Idempotency-Key",
                headers=HEADERS[HTTPStatus.SERVICE_UNAVAILABLE],
            )(scope, receive, send)
