"""A run spends what it may, and not a call more than is in the air."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from graphmill.llm import budgets as module
from graphmill.llm.budgets import Budgets, OverBudget, RunMoney
from graphmill.llm.calls import Message, ModelAnswer, Payer, Question
from graphmill.models import CollectionKey

QUESTION = Question("test.v1", "a-model", (Message("user", "?"),), max_tokens=4000)
KEY = CollectionKey("default", "sample")
RUN = uuid4()
PAYER = Payer(KEY, RUN, "extract_graph")


@dataclass
class Money:
    """MoneyStore in memory: of one run, and of any other no budget."""

    budget: int | None
    spent: int = 0
    answer_tokens: Mapping[str, float] = field(default_factory=dict[str, float])
    looked: int = 0

    async def run_money(self, run_id: UUID) -> RunMoney:
        self.looked += 1
        await asyncio.sleep(0)
        if run_id != RUN:
            return RunMoney(None)
        return RunMoney(self.budget, self.spent, self.answer_tokens)


def of(money: Money) -> Budgets:
    """A token of an answer costs 1."""
    return Budgets(money, lambda question, tokens: round(tokens))


@pytest.fixture(autouse=True)
def looks_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.0)


async def pay(budgets: Budgets, cost: int, payer: Payer = PAYER) -> None:
    async with budgets.call(payer, QUESTION) as call:
        await asyncio.sleep(0.01)
        call.answer = ModelAnswer("x", True, 0, cost, "here", cost)


async def test_calls_are_made_until_the_money_is_spent() -> None:
    budgets = of(Money(1000, answer_tokens={"extract_graph": 100}))
    for _ in range(10):
        await pay(budgets, 100)
    with pytest.raises(OverBudget, match="is used up"):
        await pay(budgets, 100)


async def test_many_at_once_spend_no_more_than_one_after_the_other() -> None:
    budgets = of(Money(1000, answer_tokens={"extract_graph": 100}))
    ends = await asyncio.gather(*(pay(budgets, 100) for _ in range(50)), return_exceptions=True)
    assert sum(end is None for end in ends) == 10
    assert sum(isinstance(end, OverBudget) for end in ends) == 40


async def test_what_costs_less_than_it_was_taken_for_leaves_money_for_others() -> None:
    budgets = of(Money(1000, answer_tokens={"extract_graph": 500}))
    ends = await asyncio.gather(*(pay(budgets, 100) for _ in range(50)), return_exceptions=True)
    assert sum(end is None for end in ends) == 10


async def test_what_an_answer_takes_is_learnt_from_those_that_came() -> None:
    budgets = of(Money(1000))
    for _ in range(10):  # of a step without an answer 600 are assumed
        await pay(budgets, 100)
    with pytest.raises(OverBudget):
        await pay(budgets, 100)


async def test_what_other_workers_spend_counts() -> None:
    money = Money(1000, answer_tokens={"extract_graph": 100})
    budgets = of(money)
    await pay(budgets, 100)
    money.spent = 950  # the 100 of here among them
    with pytest.raises(OverBudget):
        await pay(budgets, 100)


async def test_what_is_paid_here_counts_before_the_store_knows_it() -> None:
    money = Money(300, answer_tokens={"extract_graph": 100})
    budgets = of(money)
    for _ in range(3):
        await pay(budgets, 100)
    assert money.spent == 0
    with pytest.raises(OverBudget):
        await pay(budgets, 100)


async def test_a_call_that_fails_gives_its_money_back() -> None:
    budgets = of(Money(600))
    with pytest.raises(ZeroDivisionError):
        async with budgets.call(PAYER, QUESTION):
            raise ZeroDivisionError
    await pay(budgets, 600)


async def test_who_waits_for_money_and_is_cancelled_holds_up_nobody() -> None:
    budgets = of(Money(600))
    first = asyncio.create_task(pay(budgets, 0))
    await asyncio.sleep(0.005)
    waiting = asyncio.create_task(pay(budgets, 0))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await first
    await pay(budgets, 600)


async def test_a_budget_of_nothing_allows_no_call_even_where_calls_cost_nothing() -> None:
    free = Budgets(Money(0), lambda question, tokens: 0)
    with pytest.raises(OverBudget, match="the budget of the run is 0"):
        await pay(free, 0)


async def test_calls_that_cost_nothing_are_never_over_a_budget() -> None:
    free = Budgets(Money(1), lambda question, tokens: 0)
    for _ in range(5):
        await pay(free, 0)


async def test_without_a_budget_nothing_is_looked_up_again() -> None:
    money = Money(None)
    budgets = of(money)
    for _ in range(5):
        await pay(budgets, 10**12)
    await pay(budgets, 10**12, Payer(KEY, None, "answers"))
    assert money.looked == 1


async def test_runs_that_are_over_are_forgotten_and_looked_up_anew() -> None:
    money = Money(100, answer_tokens={"extract_graph": 100})
    budgets = of(money)
    await pay(budgets, 100)
    money.spent = 100
    for _ in range(200):
        await pay(budgets, 1, Payer(KEY, uuid4(), "extract_graph"))
    looked = money.looked
    with pytest.raises(OverBudget):
        await pay(budgets, 100)
    assert money.looked > looked
