"""The way of this process to one endpoint: callers wait here until the fleet's limit lets them.

Places are granted to the process, not to each call: a call that ends hands its place to the next
caller without a word to the database; who that is says the line (line.py), so that a tenant with
hundreds of callers keeps nobody waiting for all of them. What is granted is asked for anew twice a
second, at once where callers wait and there is nothing to give them, and for every start where
starts are paced.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

from graphmill.errors import TransientError
from graphmill.llm.limits import LEASE_SECONDS, Ask, Grant, Settled
from graphmill.llm.outcomes import Outcome, Tally
from graphmill.telemetry.subjects import apart
from graphmill.turns.line import Line
from graphmill.turns.turn import current_turn

_BEAT_SECONDS = 0.5
# With callers waiting, so often, for what others have given back meanwhile.
_STARVED_SECONDS = 0.25
# With none of the places, soon, and less and less soon.
_HASTE_SECONDS = 0.02
# Where there is room, as soon; less soon the longer callers keep coming.
_HURRY_GROWS = 1.2
# However much happens here otherwise, the database hears of it so often at most.
_PAUSE_SECONDS = 0.1
# A word that is being said at the end may take so long.
_CLOSE_SECONDS = 2.0
# Who waits and might go elsewhere looks there so often.
_LOOK_SECONDS = 1.0
# Without a word from the database for so long nothing starts: others may have the places by then.
_STALE_SECONDS = LEASE_SECONDS - 2


class LimitStore(Protocol):
    """Where the limits of an endpoint are kept, for all workers."""

    async def exchange(self, endpoint: str, ask: Ask) -> Grant:
        """Tell what this worker does and wants; what it may do from now on."""
        ...


class Closed(TransientError):
    """The endpoint wants to be left alone for a while, or nothing is known of its limits."""

    def __init__(self, endpoint: str, seconds: float) -> None:
        super().__init__(f"endpoint {endpoint!r} takes no calls for {seconds:.1f} s")
        self.seconds = seconds


class Elsewhere(Exception):
    """A caller that waited went away, as it wanted to; not for people."""


@dataclass(frozen=True, slots=True)
class Pass:
    """A place that a caller has. Where starts are paced: when it was to start, on the database's
    clock, and the tokens reserved for it."""

    started: float = 0.0
    tokens: int = 0


@dataclass(slots=True, eq=False)
class _Waiting:
    tokens: Callable[[], int]
    entered: asyncio.Future[Pass]


class Gate:
    """Callers `enter`, and `leave` however their call ended."""

    def __init__(
        self,
        endpoint: str,
        store: LimitStore,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.endpoint = endpoint
        self.tally = Tally()
        self._store = store
        self._paced = False  # as of the last grant: limits may be changed at any time
        self._clock = clock
        self._waiting: Line[_Waiting] = Line()
        self._in_flight = 0
        self._places = 0
        self._spare = 1  # of which nothing is known yet: somebody has to ask
        self._roomy = False  # the last grant was all that we asked for
        self._closed_until = 0.0
        self._known_at = -_STALE_SECONDS
        self._retry_after_until = 0.0
        self._stir = asyncio.Event()
        self._speaking = asyncio.Lock()
        self._asking: asyncio.Task[None] | None = None

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def places(self) -> int:
        return self._places

    @property
    def room(self) -> int:
        """How many more callers would be let in soon, as far as is known here."""
        if self.closed_for or (self._paced and self._waiting):
            return 0
        return max(0, self._places + self._spare - self._in_flight - len(self._waiting))

    @property
    def closed_for(self) -> float:
        return max(0.0, self._closed_until - self._clock())

    async def enter(
        self, tokens: Callable[[], int], leaves: Callable[[], bool] | None = None
    ) -> Pass:
        """Wait for a place, in turn (turns.py), and for the time at which this call may start.

        Args:
            tokens: the most that it may take, prompt and answer. Asked for where starts are paced
                alone: to count is a tenth of what a call costs this process.
            leaves: asked about once a second of who still waits: whether it would rather go away.

        Raises:
            Closed: the endpoint takes no calls now; another one may.
            Elsewhere: it wanted to leave, and is in the line no more.
        """
        if self.closed_for:
            raise Closed(self.endpoint, self.closed_for)
        waiting = _Waiting(tokens, asyncio.get_running_loop().create_future())
        self._waiting.add(waiting, current_turn())
        self._admit()
        if not waiting.entered.done() or self._asking is None or self._asking.done():
            self._wake()
        try:
            while leaves is not None and not waiting.entered.done():
                # Not all at the same moment: each sees what the one before it took.
                look = _LOOK_SECONDS * random.uniform(0.5, 1.0)
                await asyncio.wait([waiting.entered], timeout=look)
                # One that is in the line no more has got its time to start.
                if not waiting.entered.done() and leaves() and waiting in self._waiting:
                    self._waiting.leave(waiting)
                    raise Elsewhere
            return await waiting.entered
        except asyncio.CancelledError:
            waiting.entered.cancel()
            if waiting in self._waiting:
                self._waiting.leave(waiting)
            elif not waiting.entered.cancelled() and waiting.entered.exception() is None:
                self.leave(waiting.entered.result(), Outcome(used_tokens=0))
            raise

    def leave(self, passed: Pass, outcome: Outcome) -> None:
        self._in_flight -= 1
        overloaded = self.tally.note(outcome)
        if passed.started and outcome.used_tokens is not None:
            self.tally.settle(Settled(passed.started, passed.tokens, outcome.used_tokens))
        if outcome.retry_after > 0:
            self._close(self._clock() + outcome.retry_after)
            self._retry_after_until = max(self._retry_after_until, self._closed_until)
        # Others wait for what is given back: a place over what is ours, or one that nobody wants.
        given_back = self._in_flight >= self._places or not self._waiting
        if overloaded:
            # It was one too many: nobody takes its place before the fleet has heard of it.
            self._places = max(0, min(self._places, self._in_flight))
            self._spare = 0
        self._admit()
        if overloaded or outcome.hung or outcome.unreachable or given_back:
            self._wake()

    async def close(self) -> None:
        """Give back all places; nobody may wait any more."""
        if self._asking is not None:
            # Not in the middle of a word: it may have been heard, and would be said again.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS), self._speaking:
                    self._asking.cancel()
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        for waiting in self._waiting:
            waiting.entered.cancel()
        self._waiting.clear()
        with contextlib.suppress(TransientError):  # then the lease ends it
            async with self._speaking:
                with self.tally.telling() as untold:
                    # No report: who leaves says nothing of what others may have.
                    last = Ask(0, 0, settled=untold.settled, tries=untold.tries)
                    await self._store.exchange(self.endpoint, last)

    def _admit(self) -> None:
        """Let in who may start now; where starts are paced, their times come from the database."""
        if self._paced or self._clock() - self._known_at > _STALE_SECONDS:
            return
        while self._waiting and self._in_flight < self._places:
            self._let_in(self._waiting.next())

    def _let_in(self, waiting: _Waiting) -> None:
        if waiting.entered.done():  # gave up meanwhile
            return
        self._in_flight += 1
        waiting.entered.set_result(Pass())

    def _close(self, until: float) -> None:
        self._closed_until = max(self._closed_until, until)
        self._fail_waiting(Closed(self.endpoint, self.closed_for))

    def _fail_waiting(self, error: Exception) -> None:
        waiting_now = tuple(self._waiting)
        self._waiting.clear()
        for waiting in waiting_now:
            if not waiting.entered.done():
                waiting.entered.set_exception(error)

    def _wake(self) -> None:
        self._stir.set()
        if self._asking is None or self._asking.done():
            with apart():
                self._asking = asyncio.create_task(
                    self._keep_asking(), name=f"limit {self.endpoint}"
                )

    async def _keep_asking(self) -> None:
        """While there is anything to ask or tell; the last word is that all is given back."""
        try:
            await self._ask_until_idle()
        except Exception as error:  # a bug, but nobody may wait for ever for it
            self._fail_waiting(error)
            raise

    async def _ask_until_idle(self) -> None:
        haste = _HASTE_SECONDS
        hurry = _HASTE_SECONDS
        while True:
            self._stir.clear()
            idle = not (self._waiting or self._in_flight)
            told = await self._exchange()
            if told and idle and not (self._waiting or self._in_flight):
                return
            if self._waiting and not self._places:
                await asyncio.sleep(haste)
                haste = min(2 * haste, _STARVED_SECONDS)
                continue
            haste = _HASTE_SECONDS
            # Where the endpoint had a place for all who waited, who came since will have one too:
            # a burst is let in soon, and a steady stream is no reason to ask all the time.
            await asyncio.sleep(hurry)
            if self._waiting and self._roomy and hurry < _PAUSE_SECONDS:
                hurry *= _HURRY_GROWS
                continue
            await asyncio.sleep(max(0.0, _PAUSE_SECONDS - hurry))
            if not self._waiting:
                hurry = _HASTE_SECONDS
            starved = self._waiting and (self._paced or self._in_flight >= self._places)
            longest = _STARVED_SECONDS if starved else _BEAT_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(longest - _PAUSE_SECONDS):
                    await self._stir.wait()

    async def _exchange(self) -> bool:
        """Whether the database answered."""
        try:
            async with self._speaking:
                await self._tell()
        except TransientError:
            await asyncio.sleep(_BEAT_SECONDS)
            return False
        return True

    async def _tell(self) -> None:
        retry_after = max(0.0, self._retry_after_until - self._clock())
        room = max(0, self._places - self._in_flight) if self._paced else 0
        # Before the first grant a caller or two show what is wanted.
        waiting_now = sum(not waiting.entered.done() for waiting in self._waiting)
        in_turn = (one for one in self._waiting.in_turn() if not one.entered.done())
        next_up = list(islice(in_turn, max(room, 1) if self._paced else 0))
        starts = tuple(waiting.tokens() for waiting in next_up)
        with self.tally.telling() as untold:
            ask = Ask(
                self._in_flight,
                waiting_now,
                starts,
                untold.settled,
                replace(untold.report, retry_after=retry_after),
                untold.tries,
            )
            asked_at = self._clock()
            grant = await self._store.exchange(self.endpoint, ask)
        self._known_at = asked_at
        self._places = grant.places
        self._spare = grant.spare
        self._paced = grant.paced
        self._roomy = grant.places >= ask.wanted and not grant.paced
        if grant.closed:
            self._close(asked_at + grant.closed)
        for waiting, start, tokens in zip(next_up, grant.starts, starts, strict=False):
            self._start_at(waiting, Pass(start, tokens), start - grant.now)
        self._admit()

    def _start_at(self, waiting: _Waiting, passed: Pass, delay: float) -> None:
        if waiting not in self._waiting:  # gave up while the database was asked
            self.tally.settle(Settled(passed.started, passed.tokens, 0))
            return
        self._waiting.serve(waiting)
        self._in_flight += 1

        def begin() -> None:
            if not waiting.entered.done():
                waiting.entered.set_result(passed)
            else:
                self.leave(passed, Outcome(used_tokens=0))

        asyncio.get_running_loop().call_later(max(0.0, delay), begin)
