"""Endpoints that may answer a question, and the one policy by which a call is tried again.

A call waits for the limit of the endpoint that has the least to do for its weight. One that could
not be answered (too much at once, unreachable, broken) is asked again, elsewhere where there is an
elsewhere, for CALL_SECONDS in all: so a refusal of one call never ends the activity that it
belongs to, whose other calls are paid for.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Protocol, TypeVar

from graphmill.errors import Unavailable
from graphmill.llm.calls import Asked, ModelAnswer, Question
from graphmill.llm.faults import (
    BrokenAnswer,
    CallRefused,
    EndpointFault,
    Overloaded,
    QuestionRefused,
    TimedOut,
    Unreachable,
)
from graphmill.llm.gate import Closed, Gate, Pass
from graphmill.llm.lone_faults import LoneFaults
from graphmill.llm.outcomes import Outcome
from graphmill.llm.vectors import TextBatch, VectorBatch

T = TypeVar("T", ModelAnswer, VectorBatch)

CALL_SECONDS = 600.0
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 20.0


class Asks(Protocol):
    async def ask(self, question: Question) -> ModelAnswer: ...


class Embeds(Protocol):
    async def embed(self, batch: TextBatch) -> VectorBatch: ...


class Answers(Asks, Embeds, Protocol):
    """Both, as an endpoint does."""


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
    error: EndpointFault


def _refused(endpoint: Endpoint, fault: EndpointFault, tries: int) -> QuestionRefused:
    return QuestionRefused(
        f"{fault}, {tries} times, and endpoint {endpoint.name!r} does not fail with others: this is"
        " not asked again"
    )


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
        return await self._call(question, lambda endpoint: endpoint.client.ask(question))

    async def embed(self, batch: TextBatch) -> VectorBatch:
        """Raises as `ask` does."""
        return await self._call(batch, lambda endpoint: endpoint.client.embed(batch))

    async def _call(self, question: Asked, make: Callable[[Endpoint], Awaitable[T]]) -> T:
        serving = [found for found in self._endpoints if found.serves(question.model)]
        if not serving:
            raise CallRefused(
                f"no endpoint serves model {question.model!r}; name it in [[endpoints]] models of"
                " graphmill.toml, or set OPENAI_BASE_URL"
            )
        tokens = cache(lambda: self._prompt_tokens(question) + question.max_tokens)
        deadline = time.monotonic() + CALL_SECONDS
        failed: dict[str, float] = {}
        tries = 0
        lone = LoneFaults([endpoint.gate.tally for endpoint in serving])
        while True:
            endpoint = self._choose(serving, failed)
            try:
                passed = await self._pass(endpoint, tokens, deadline)
            except Closed as closed:
                # Another may be open; if none is, the soonest decides when to look again.
                soonest = min(other.gate.closed_for for other in serving)
                if time.monotonic() + soonest > deadline and soonest > 0:
                    away = Unavailable(f"{closed}; no other serves {question.model!r}")
                    # Whoever asks again before would only be told the same. Now and then it may:
                    # another endpoint may have been set meanwhile.
                    away.retry_in = min(soonest, CALL_SECONDS)
                    raise away from None
                await asyncio.sleep(min(soonest, closed.seconds))
                continue
            try:
                answer = await self._make(endpoint, question, passed, make)
            except EndpointFault as fault:
                tries += 1
                lone.note(fault)
                if lone.are_many:
                    raise _refused(endpoint, fault, tries) from fault
                self._on_retry(Retried(endpoint.name, tries, fault))
                pause = min(_FIRST_PAUSE * 2 ** (tries - 1), _LONGEST_PAUSE)
                failed[endpoint.name] = time.monotonic() + pause
                if time.monotonic() + pause > deadline:
                    if lone.are_all:
                        raise _refused(endpoint, fault, tries) from fault
                    raise Unavailable(f"{fault}; given up after {tries} tries") from fault
                await self._pause(serving, endpoint, fault, pause)
            else:
                # Who waits for this place sends first; then the answer is read.
                await asyncio.sleep(0)
                return answer

    def _prompt_tokens(self, question: Asked) -> int:
        return sum(map(self._count_tokens, question.texts))

    def _choose(self, serving: Sequence[Endpoint], failed: dict[str, float]) -> Endpoint:
        now = time.monotonic()

        def rank(endpoint: Endpoint) -> tuple[bool, bool, float]:
            rests = failed.get(endpoint.name, 0.0) > now
            return (endpoint.gate.closed_for > 0, rests, endpoint.load)

        return min(serving, key=rank)

    async def _pass(self, endpoint: Endpoint, tokens: Callable[[], int], deadline: float) -> Pass:
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                return await endpoint.gate.enter(tokens)
        except TimeoutError:
            raise Unavailable(
                f"endpoint {endpoint.name!r} had no place for {CALL_SECONDS:g} s"
            ) from None

    async def _make(
        self,
        endpoint: Endpoint,
        question: Asked,
        passed: Pass,
        make: Callable[[Endpoint], Awaitable[T]],
    ) -> T:
        outcome = Outcome()
        began = time.monotonic()
        try:
            answer = await make(endpoint)
        except TimedOut:
            outcome = Outcome(timed_out=True)  # its tokens stay reserved: they may be used
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
        self, serving: Sequence[Endpoint], endpoint: Endpoint, fault: EndpointFault, pause: float
    ) -> None:
        """Not at all where another endpoint can be asked; else what was asked for, or longer each
        time. Spread out, so that what failed together does not come back together."""
        if any(
            other is not endpoint and not other.gate.closed_for and other.gate.places > 0
            for other in serving
        ):
            return
        if isinstance(fault, Overloaded) and fault.retry_after > 0:
            return  # the gate is closed for that long, for all
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))
