"""Budgets of runs: no call is begun that its run has no money left for.

What a run has spent is known to the store, from all workers, and is looked up about once a second;
what is paid here counts at once, and calls in the air here count at what such calls cost. So a run
spends over its budget at most what other workers began within that second or have in the air, and
what calls here cost more than they were taken for.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from graphmill.errors import PermanentError
from graphmill.llm.calls import Asked, Paid, Payer

_LOOK_SECONDS = 1.0
# Of a step that has no answer yet.
ASSUMED_ANSWER_TOKENS = 600.0
# Runs that are kept in memory: of one that was forgotten all is looked up anew.
_MOST_RUNS = 100


class OverBudget(PermanentError):
    """The run has no money left for a call; what was paid for is kept."""


@dataclass(frozen=True, slots=True)
class RunMoney:
    """In 1e-9 dollars. `budget` None: as much as it takes; it never changes. `answer_tokens`: of
    the run's answers on average, by step."""

    budget: int | None
    spent: int = 0
    answer_tokens: Mapping[str, float] = field(default_factory=dict[str, float])


class MoneyStore(Protocol):
    async def run_money(self, run_id: UUID) -> RunMoney: ...


@dataclass(slots=True)
class Call:
    """A call that may be made; who makes it says what came of it."""

    estimate: int = 0
    answer: Paid | None = None


@dataclass(slots=True)
class _Run:
    """A run as this worker knows it."""

    budget: int | None
    spent: int
    answer_tokens: Mapping[str, float]
    looked_at: float
    in_air: set[int] = field(default_factory=set[int])  # ids of calls
    reserved: int = 0
    # Of the answers that came here: how many, and their tokens, by step.
    came: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    landed: asyncio.Event = field(default_factory=asyncio.Event)
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Budgets:
    def __init__(self, store: MoneyStore, estimate: Callable[[Asked, float], int]) -> None:
        """`estimate`: what a question costs whose answer has so many tokens."""
        self._store = store
        self._estimate = estimate
        self._runs: dict[UUID, _Run] = {}
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def call(self, payer: Payer, question: Asked) -> AsyncGenerator[Call]:
        """The time of one call, for which there is money.

        Raises:
            OverBudget: there is none, and no call in the air here could leave some.
        """
        run = None if payer.run_id is None else await self._run(payer.run_id)
        if payer.run_id is None or run is None or run.budget is None:
            yield Call()
            return
        call = await self._begin(payer.run_id, run, run.budget, payer.step, question)
        try:
            yield call
        finally:
            run.in_air.discard(id(call))
            run.reserved -= call.estimate
            if call.answer is not None:
                run.spent += call.answer.nano_usd
                count, tokens = run.came.get(payer.step, (0, 0))
                run.came[payer.step] = count + 1, tokens + call.answer.completion_tokens
            run.landed.set()
            run.landed = asyncio.Event()

    async def _begin(
        self, run_id: UUID, run: _Run, budget: int, step: str, question: Asked
    ) -> Call:
        while True:
            await self._look(run_id, run)
            tokens = min(_tokens_of_an_answer(run, step), question.max_tokens)
            estimate = self._estimate(question, tokens)
            if run.spent < budget and run.spent + run.reserved + estimate <= budget:
                call = Call(estimate)
                run.in_air.add(id(call))
                run.reserved += estimate
                return call
            if run.spent >= budget or not run.in_air:
                raise over_budget(budget, run.spent, estimate)
            # What is in the air may cost less than it was taken for.
            await run.landed.wait()

    async def _run(self, run_id: UUID) -> _Run:
        run = self._runs.get(run_id)
        if run is not None:
            return run
        async with self._opening:
            run = self._runs.get(run_id)
            if run is None:
                money = await self._store.run_money(run_id)
                run = _Run(money.budget, money.spent, money.answer_tokens, time.monotonic())
                self._forget()
                self._runs[run_id] = run
        return run

    async def _look(self, run_id: UUID, run: _Run) -> None:
        async with run.looking:
            if time.monotonic() - run.looked_at < _LOOK_SECONDS:
                return
            money = await self._store.run_money(run_id)
            # Money is only spent: what was paid here and is not written yet is not lost again.
            run.spent = max(run.spent, money.spent)
            run.answer_tokens = money.answer_tokens
            run.looked_at = time.monotonic()

    def _forget(self) -> None:
        for run_id, run in list(self._runs.items()):
            if len(self._runs) < _MOST_RUNS:
                return
            if not run.in_air:
                del self._runs[run_id]


def _tokens_of_an_answer(run: _Run, step: str) -> float:
    """On average: of the answers that came here, else of all those of the run."""
    count, tokens = run.came.get(step, (0, 0))
    return tokens / count if count else run.answer_tokens.get(step, ASSUMED_ANSWER_TOKENS)


def over_budget(budget: int, spent: int, estimate: int) -> OverBudget:
    """In words; `estimate`: of what comes next."""
    begins = "what is done stays; index again, with another budget, to go on from here"
    if budget == 0:
        return OverBudget(
            f"this needs a new call to a model, and the budget of the run is 0: {begins}"
        )
    return OverBudget(
        f"the budget of {_usd(budget)} is used up: {_usd(spent)} are spent, and the next call costs"
        f" about {_usd(estimate)}; {begins}"
    )


def _usd(nano_usd: int) -> str:
    """To the cent, smaller amounts to their first three digits."""
    usd = nano_usd / 1e9
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.3g}"
