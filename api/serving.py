"""HTTP as uvicorn speaks it, but for who does not read: he would hold his connection, what is
answered to him and the end of the process for ever."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol


class ImpatientProtocol(H11Protocol):
    """Drops a connection whose other end takes nothing for so long: uvicorn waits for all that was
    sent to be taken, also where it closes one."""

    stalled_seconds = 30.0
    ending_seconds = 2.0
    """While the process ends."""

    _dropping: asyncio.TimerHandle | None = None
    _took = False
    _lost = False

    def pause_writing(self) -> None:
        super().pause_writing()
        self._dropping = self.loop.call_later(self.stalled_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._took = True
        self._keep()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._keep()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        super().shutdown()
        self._look_again()

    def _keep(self) -> None:
        if self._dropping is not None:
            self._dropping.cancel()
            self._dropping = None

    def _look_again(self) -> None:
        self._took = False
        unsent = self.transport.get_write_buffer_size()
        self.loop.call_later(self.ending_seconds, self._drop_if_stalled, unsent)

    def _drop_if_stalled(self, unsent_before: int) -> None:
        if self._lost:
            return
        # Where more is written meanwhile, what is unsent says nothing.
        nothing_more = self.flow.write_paused or self.transport.is_closing()
        unsent = self.transport.get_write_buffer_size()
        if nothing_more and not self._took and 0 < unsent_before <= unsent:
            self.transport.abort()
        else:
            self._look_again()
