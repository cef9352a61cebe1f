"""Endpoints that may answer a question, and the one policy by which a call is tried again.

A call waits for the limit of the endpoint that has the least to do for its weight. One that could
not be answered (too much at once, unreachable, broken) is asked again, elsewhere where there is an
elsewhere, for CALL_SECONDS in all: so a refusal of one call never ends the activity that it
belongs to, whose other calls are paid for.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Protocol, TypeVar

from graphmill.errors import Unavailable
from graphmill.llm.calls import Asked, ModelAnswer, Question
from graphmill.llm.faults import (
    AskOtherwise,
    BrokenAnswer,
    CallRefused,
    EndpointFault,
    Overloaded,
    QuestionRefused,
    TimedOut,
    Unreachable,
)
from graphmill.llm.gate import Closed, Elsewhere, Gate, Pass
from graphmill.llm.lone_faults import LoneFaults
from graphmill.llm.manners import Guess
from graphmill.llm.outcomes import Outcome
from graphmill.llm.vectors import TextBatch, VectorBatch

T = TypeVar("T", ModelAnswer, VectorBatch)

CALL_SECONDS = 600.0
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 20.0
# An endpoint that refused whatever is asked (its key, its account) is asked again after so long.
_SHUNNED_SECONDS = 60.0

_logger = logging.getLogger(__name__)


class Asks(Protocol):
    async def ask(self, question: Question) -> ModelAnswer: ...


class Embeds(Protocol):
    async def embed(self, batch: TextBatch) -> VectorBatch: ...


class Answers(Protocol):
    """One call each; `guess`: what AskOtherwise, which they raise, said before."""

    async def ask(self, question: Question, guess: Guess | None = None) -> ModelAnswer: ...

    async def embed(self, batch: TextBatch, guess: Guess | None = None) -> VectorBatch: ...


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for a million tokens of what is sent, and of what is answered."""

    prompt: float = 0.0
    completion: float = 0.0

    def nano_usd(self, prompt_tokens: int, completion_tokens: float) -> float:
        """Of a call, in 1e-9 dollars."""
        return 1000 * (prompt_tokens * self.prompt + completion_tokens * self.completion)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint as this process uses it. `models`: which it answers for; empty means all.
    `prices`: of models that do not cost what the others do, `price`."""

    name: str
    gate: Gate
    client: Answers
    models: frozenset[str] = frozenset()
    weight: float = 1.0
    price: Price = Price()
    prices: Mapping[str, Price] = field(default_factory=dict[str, Price])

    def serves(self, model: str) -> bool:
        return not self.models or model in self.models

    def nano_usd(self, model: str, prompt_tokens: int, completion_tokens: float) -> int:
        price = self.prices.get(model, self.price)
        return round(price.nano_usd(prompt_tokens, completion_tokens))

    @property
    def load(self) -> float:
        return (self.gate.in_flight + self.gate.waiting) / self.weight


@dataclass(frozen=True, slots=True)
class Retried:
    """Told to who watches: which try failed, where, and why."""

    endpoint: str
    tries: int
    error: EndpointFault | CallRefused


def _refused(endpoint: Endpoint, fault: EndpointFault, tries: int) -> QuestionRefused:
    return QuestionRefused(
        f"{fault}, {tries} times, and endpoint {endpoint.name!r} does not fail with others: this is"
        " not asked again"
    )


@dataclass(slots=True)
class _Way:
    """A question on its way. `left`: endpoints that may answer it; `refused`: what those said that
    never will; `failed`: until when those rest that did not; `guesses`: how they are asked next."""

    model: str
    left: list[Endpoint]
    deadline: float
    lone: LoneFaults
    tries: int = 0
    refused: dict[str, CallRefused] = field(default_factory=dict[str, CallRefused])
    failed: dict[str, float] = field(default_factory=dict[str, float])
    guesses: dict[str, Guess] = field(default_factory=dict[str, Guess])

    def rests(self, endpoint: Endpoint) -> bool:
        return self.failed.get(endpoint.name, 0.0) > time.monotonic()

    def unavailable(self, words: str) -> Unavailable:
        """With what may be done about it."""
        if self.lone.are_late:
            names = " and ".join(map(repr, self.failed))
            words += (
                f"; nothing was answered in time: raise timeout_seconds of endpoint {names} in"
                " graphmill.toml, or take a faster model"
            )
        return Unavailable("; ".join((words, *map(str, self.refused.values()))))


class EndpointPool:
    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        count_tokens: Callable[[str], int],
        on_retry: Callable[[Retried], None] = lambda _: None,
    ) -> None:
        self._endpoints = tuple(endpoints)
        self._count_tokens = count_tokens
        self._on_retry = on_retry
        # Until when an endpoint is asked for a model only where no other is, since it refused.
        self._shunned: dict[tuple[str, str], float] = {}

    def estimate(self, question: Asked, answer_tokens: float) -> int:
        """What a question costs whose answer has so many tokens, in 1e-9 dollars: where it is
        dearest, since nobody knows yet where it goes."""
        prompt_tokens = self._prompt_tokens(question)
        return max(
            (
                endpoint.nano_usd(question.model, prompt_tokens, answer_tokens)
                for endpoint in self._endpoints
                if endpoint.serves(question.model)
            ),
            default=0,
        )

    async def ask(self, question: Question) -> ModelAnswer:
        """
        Raises:
            CallRefused: no endpoint will ever answer this; what to do.
                QuestionRefused: it is this question that fails wherever it is asked.
            Unavailable: none did for CALL_SECONDS.
        """
        return await self._call(
            question, lambda endpoint, guess: endpoint.client.ask(question, guess)
        )

    async def embed(self, batch: TextBatch) -> VectorBatch:
        """Raises as `ask` does."""
        return await self._call(batch, lambda endpoint, guess: endpoint.client.embed(batch, guess))

    async def _call(
        self, question: Asked, make: Callable[[Endpoint, Guess | None], Awaitable[T]]
    ) -> T:
        serving = [found for found in self._endpoints if found.serves(question.model)]
        if not serving:
            raise CallRefused(
                f"no endpoint serves model {question.model!r}; name it in [[endpoints]] models of"
                " graphmill.toml, or set OPENAI_BASE_URL"
            )
        tokens = cache(lambda: self._prompt_tokens(question) + question.max_tokens)
        deadline = time.monotonic() + CALL_SECONDS
        lone = LoneFaults([endpoint.gate.tally for endpoint in serving])
        way = _Way(question.model, serving, deadline, lone)
        while True:
            open_to_it = self._not_shunned(way)
            endpoint = self._choose(open_to_it, way)
            try:
                passed = await self._pass(endpoint, open_to_it, way, tokens)
            except Elsewhere:
                continue
            except Closed as closed:
                await self._wait_for(open_to_it, way, closed)
                continue
            if endpoint not in self._not_shunned(way):  # refused others while this one waited
                endpoint.gate.leave(passed, Outcome(used_tokens=0))
                continue
            guess = way.guesses.get(endpoint.name)
            try:
                answer = await self._make(endpoint, question, passed, make(endpoint, guess))
            except AskOtherwise as refusal:
                way.guesses[endpoint.name] = refusal.guess
            except QuestionRefused:
                raise
            except CallRefused as refusal:
                self._leave_out(endpoint, way, refusal)
            except EndpointFault as fault:
                await self._after(endpoint, open_to_it, way, fault)
            else:
                # Who waits for this place sends first; then the answer is read.
                await asyncio.sleep(0)
                return answer

    def _prompt_tokens(self, question: Asked) -> int:
        return sum(map(self._count_tokens, question.texts))

    def _not_shunned(self, way: _Way) -> Sequence[Endpoint]:
        """Of those that are left, all where there are no others."""
        if not self._shunned:
            return way.left
        now = time.monotonic()
        found = [e for e in way.left if self._shunned.get((e.name, way.model), 0.0) <= now]
        return found or way.left

    def _choose(self, among: Sequence[Endpoint], way: _Way) -> Endpoint:
        def rank(endpoint: Endpoint) -> tuple[bool, bool, bool, float]:
            gate = endpoint.gate
            return (gate.closed_for > 0, way.rests(endpoint), gate.room == 0, endpoint.load)

        return among[0] if len(among) == 1 else min(among, key=rank)

    async def _pass(
        self, endpoint: Endpoint, among: Sequence[Endpoint], way: _Way, tokens: Callable[[], int]
    ) -> Pass:
        def another_has_room() -> bool:
            return any(
                other is not endpoint and other.gate.room > 0 and not way.rests(other)
                for other in among
            )

        leaves = another_has_room if len(among) > 1 else None
        try:
            async with asyncio.timeout(max(0.0, way.deadline - time.monotonic())):
                return await endpoint.gate.enter(tokens, leaves)
        except TimeoutError:
            raise way.unavailable(
                f"endpoint {endpoint.name!r} had no place for {CALL_SECONDS:g} s"
            ) from None

    async def _wait_for(self, among: Sequence[Endpoint], way: _Way, closed: Closed) -> None:
        """One of these to open: another may be; if none is, the soonest decides when to look."""
        soonest = min(endpoint.gate.closed_for for endpoint in among)
        if time.monotonic() + soonest > way.deadline and soonest > 0:
            away = way.unavailable(f"{closed}; no other serves {way.model!r}")
            # Whoever asks again before would only be told the same. Now and then it may: another
            # endpoint may have been set meanwhile.
            away.retry_in = min(soonest, CALL_SECONDS)
            raise away from None
        await asyncio.sleep(min(soonest, closed.seconds))

    def _leave_out(self, endpoint: Endpoint, way: _Way, refusal: CallRefused) -> None:
        """It answers this call never, and others for a while only where there is no other."""
        way.refused[endpoint.name] = refusal
        way.left = [other for other in way.left if other is not endpoint]
        if not way.left:
            if len(way.refused) == 1:
                raise refusal
            raise CallRefused("; ".join(map(str, way.refused.values()))) from refusal
        way.tries += 1
        self._on_retry(Retried(endpoint.name, way.tries, refusal))
        now = time.monotonic()
        if self._shunned.get((endpoint.name, way.model), 0.0) <= now:
            _logger.warning("%s; others are asked for %g s", refusal, _SHUNNED_SECONDS)
        self._shunned[endpoint.name, way.model] = now + _SHUNNED_SECONDS

    async def _after(
        self, endpoint: Endpoint, among: Sequence[Endpoint], way: _Way, fault: EndpointFault
    ) -> None:
        """A try that failed: given up, or a pause before the next."""
        way.tries += 1
        way.lone.note(fault)
        if way.lone.are_many:
            raise _refused(endpoint, fault, way.tries) from fault
        self._on_retry(Retried(endpoint.name, way.tries, fault))
        pause = min(_FIRST_PAUSE * 2 ** (way.tries - 1), _LONGEST_PAUSE)
        way.failed[endpoint.name] = time.monotonic() + pause
        if time.monotonic() + pause > way.deadline:
            if way.lone.are_all:
                raise _refused(endpoint, fault, way.tries) from fault
            raise way.unavailable(f"{fault}; given up after {way.tries} tries") from fault
        await self._pause(among, endpoint, fault, pause)

    async def _make(
        self,
        endpoint: Endpoint,
        question: Asked,
        passed: Pass,
        call: Awaitable[T],
    ) -> T:
        outcome = Outcome()
        began = time.monotonic()
        answers = endpoint.gate.tally.answers
        try:
            answer = await call
        except TimedOut:
            # Its tokens stay reserved: they may be used.
            outcome = Outcome(timed_out=True, hung=endpoint.gate.tally.answers == answers)
            raise
        except AskOtherwise:
            outcome = Outcome(refused=True, used_tokens=0)
            raise
        except Overloaded as fault:
            outcome = Outcome(overloaded=True, retry_after=fault.retry_after, used_tokens=0)
            raise
        except (Unreachable, BrokenAnswer):
            outcome = Outcome(unreachable=True, used_tokens=0)
            raise
        except CallRefused:
            outcome = Outcome(refused=True)
            raise
        else:
            answer = self._counted(question, answer)
            outcome = Outcome(
                answered=True,
                used_tokens=answer.prompt_tokens + answer.completion_tokens,
                # Vectors come quickly: beside them each text would look slow.
                seconds_per_token=0.0
                if isinstance(answer, VectorBatch)
                else (time.monotonic() - began) / max(answer.completion_tokens, 50),
            )
            cost = endpoint.nano_usd(question.model, answer.prompt_tokens, answer.completion_tokens)
            return replace(answer, nano_usd=cost)
        finally:
            endpoint.gate.leave(passed, outcome)

    def _counted(self, question: Asked, answer: T) -> T:
        """With its tokens; ours where the endpoint says nothing of them, or no limit on tokens and
        no budget would hold there."""
        if answer.prompt_tokens or answer.completion_tokens:
            return answer
        prompt_tokens = self._prompt_tokens(question)
        if isinstance(answer, VectorBatch):
            return replace(answer, prompt_tokens=prompt_tokens)
        return replace(
            answer,
            prompt_tokens=prompt_tokens,
            completion_tokens=self._count_tokens(answer.text),
        )

    async def _pause(
        self, among: Sequence[Endpoint], endpoint: Endpoint, fault: EndpointFault, pause: float
    ) -> None:
        """Not at all where another endpoint can be asked; else what was asked for, or longer each
        time. Spread out, so that what failed together does not come back together."""
        if any(
            other is not endpoint and not other.gate.closed_for and other.gate.places > 0
            for other in among
        ):
            return
        if isinstance(fault, Overloaded) and fault.retry_after > 0:
            return  # the gate is closed for that long, for all
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))
