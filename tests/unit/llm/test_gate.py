"""Callers of one process wait at a gate; what lets them in is the limit of the whole fleet."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from graphmill.errors import Unavailable
from graphmill.llm.gate import Closed, Elsewhere, Gate, Pass
from graphmill.llm.limits import Ask, Grant, Limits, Tries
from graphmill.llm.outcomes import Outcome
from graphmill.turns.turn import Turn, taking_turns
from tests.unit.llm.limits_in_memory import LimitsInMemory, Row


@asynccontextmanager
async def open_gate(row: Row, worker: int = 0) -> AsyncGenerator[Gate]:
    gate = Gate("here", LimitsInMemory(row, worker))
    try:
        yield gate
    finally:
        await gate.close()


async def call(gate: Gate, seconds: float, tokens: int = 100, used: int = 100) -> float:
    """One call; gives back when it started."""
    passed = await gate.enter(lambda: tokens)
    started = asyncio.get_running_loop().time()
    await asyncio.sleep(seconds)
    gate.leave(passed, Outcome(answered=True, used_tokens=used))
    return started


async def test_callers_get_all_places_and_no_more() -> None:
    row = Row(Limits(5))
    async with open_gate(row) as gate:
        most = 0

        async def watched() -> None:
            nonlocal most
            passed = await gate.enter(lambda: 1)
            most = max(most, gate.in_flight)
            await asyncio.sleep(0.02)
            gate.leave(passed, Outcome(answered=True))

        await asyncio.gather(*(watched() for _ in range(40)))
        assert most == 5
    assert row.shares[0].held == 0


async def test_a_place_goes_to_the_next_caller_without_a_word_to_the_database() -> None:
    row = Row(Limits(5))
    async with open_gate(row) as gate:
        await asyncio.gather(*(call(gate, 0.01) for _ in range(500)))
    assert row.asked < 100  # and not two for each call


@pytest.mark.parametrize(
    "limits", [Limits(1), Limits(50, requests_per_minute=3000)], ids=["places", "paced"]
)
async def test_a_tenant_with_few_callers_does_not_wait_for_all_of_another(limits: Limits) -> None:
    async with open_gate(Row(limits)) as gate:

        async def call_as(tenant: str) -> str:
            with taking_turns(Turn(key=tenant)):
                await call(gate, 0.02)
            return tenant

        tasks = [asyncio.create_task(call_as("large")) for _ in range(120)]
        await asyncio.sleep(0.3)
        tasks += [asyncio.create_task(call_as("small")) for _ in range(5)]
        ended = [await task for task in asyncio.as_completed(tasks)]
    last = max(place for place, tenant in enumerate(ended) if tenant == "small")
    # Some ended before they came; where starts are paced, a second's worth had their times.
    first = min(place for place, tenant in enumerate(ended) if tenant == "small")
    assert last - first <= 10
    assert first < 120 - 10


async def test_two_workers_share_and_one_takes_over_what_the_other_leaves() -> None:
    row = Row(Limits(8))
    async with open_gate(row, 1) as one, open_gate(row, 2) as other:
        short = asyncio.gather(*(call(one, 0.05) for _ in range(20)))
        long = asyncio.gather(*(call(other, 0.05) for _ in range(200)))
        await short
        await asyncio.sleep(1.2)  # two beats
        assert other.places == 8
        await long
    assert row.most_held <= 8


async def test_starts_are_paced() -> None:
    row = Row(Limits(100, requests_per_minute=1200))
    async with open_gate(row) as gate:
        starts = sorted(await asyncio.gather(*(call(gate, 0.01) for _ in range(41))))
    seconds = starts[-1] - starts[0]
    assert 1.9 <= seconds <= 3.0  # 40 times 50 ms


async def test_a_limit_a_minute_that_is_set_or_lifted_meanwhile_holds() -> None:
    row = Row(Limits(4))
    async with open_gate(row) as gate:
        await asyncio.gather(*(call(gate, 0.01) for _ in range(8)))
        row.limits = Limits(100, requests_per_minute=600)
        calling = [asyncio.create_task(call(gate, 0.2)) for _ in range(200)]
        await asyncio.sleep(1.0)  # twice the time until it is heard of
        before = sum(task.done() for task in calling)
        await asyncio.sleep(1.0)
        assert 7 <= sum(task.done() for task in calling) - before <= 14
        row.limits = Limits(100)
        await asyncio.wait_for(asyncio.gather(*calling), 3)


async def test_tokens_that_are_not_used_let_others_start() -> None:
    row = Row(Limits(100, tokens_per_minute=60_000))
    row.state = replace(row.state, used_share=0.001)  # calls of late took next to nothing
    async with open_gate(row) as gate:
        # A minute's tokens are reserved by six of these.
        calls = (call(gate, 0.01, tokens=10_000, used=10) for _ in range(7))
        await asyncio.wait_for(asyncio.gather(*calls), 20)
    assert sum(row.state.token_window) == 70


async def test_one_call_without_an_answer_in_time_is_no_overload_and_many_are() -> None:
    row = Row(Limits(16))
    async with open_gate(row) as gate:
        for timed_out, lowered in ((1, False), (8, True)):
            await asyncio.gather(*(gate.enter(lambda: 1) for _ in range(16)))
            for number in range(16):
                gate.leave(Pass(), Outcome(timed_out=number < timed_out))
            await asyncio.sleep(0.3)
            assert (row.state.lowered_at > 0) == lowered


async def test_who_wants_to_be_left_alone_is() -> None:
    row = Row(Limits(5))
    async with open_gate(row) as gate:
        await gate.enter(lambda: 1)
        waiting = [asyncio.create_task(gate.enter(lambda: 1)) for _ in range(9)]
        while gate.in_flight < 5:  # the demand of all is told a little later
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        let_in = [task for task in waiting if task.done()]
        gate.leave(Pass(), Outcome(overloaded=True, retry_after=1.0))
        turned_away = [task for task in waiting if task not in let_in]
        await asyncio.sleep(0)
        assert len(turned_away) == 5
        for task in turned_away:
            with pytest.raises(Closed):
                await task
        with pytest.raises(Closed) as closed:
            await gate.enter(lambda: 1)
        assert 0.8 < closed.value.seconds <= 1.0
        for _ in range(4):
            gate.leave(Pass(), Outcome())
        await asyncio.sleep(1.05)
        await asyncio.wait_for(gate.enter(lambda: 1), 2)
        gate.leave(Pass(), Outcome())


async def test_who_gives_up_leaves_no_place_taken() -> None:
    row = Row(Limits(1))
    async with open_gate(row) as gate:
        await gate.enter(lambda: 1)
        waiting = asyncio.create_task(gate.enter(lambda: 1))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        last = asyncio.create_task(gate.enter(lambda: 1))
        await asyncio.sleep(0.01)
        gate.leave(Pass(), Outcome(answered=True))
        await asyncio.wait_for(last, 1)
        assert gate.in_flight == 1
        gate.leave(Pass(), Outcome(answered=True))
        assert gate.in_flight == 0


async def test_giving_up_between_a_paced_start_and_its_time_leaves_no_place_taken() -> None:
    row = Row(Limits(10, requests_per_minute=120))
    async with open_gate(row) as gate:
        await gate.enter(lambda: 1)
        waiting = asyncio.create_task(gate.enter(lambda: 1))
        await asyncio.sleep(0.2)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.sleep(0.6)
        assert gate.in_flight == 1
        gate.leave(Pass(), Outcome())


async def test_who_waits_may_leave_and_takes_no_place_with_it() -> None:
    async with open_gate(Row(Limits(1))) as gate:
        passed = await gate.enter(lambda: 1, lambda: True)  # does not wait, so it is not asked
        began = asyncio.get_running_loop().time()
        with pytest.raises(Elsewhere):
            await gate.enter(lambda: 1, lambda: True)
        assert 0.4 < asyncio.get_running_loop().time() - began < 1.5
        staying = asyncio.create_task(gate.enter(lambda: 1, lambda: False))
        await asyncio.sleep(1.2)
        gate.leave(passed, Outcome(answered=True))
        gate.leave(await asyncio.wait_for(staying, 1), Outcome(answered=True))
        assert (gate.in_flight, gate.waiting) == (0, 0)


async def test_who_may_leave_and_gives_up_before_its_time_to_start_leaves_no_place_taken() -> None:
    async with open_gate(Row(Limits(10, requests_per_minute=120))) as gate:
        await gate.enter(lambda: 1)
        waiting = asyncio.create_task(gate.enter(lambda: 1, lambda: True))
        await asyncio.sleep(0.2)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert waiting.cancelled()
        await asyncio.sleep(0.6)
        assert gate.in_flight == 1
        gate.leave(Pass(), Outcome())


async def test_how_much_room_there_is_is_known_from_what_the_fleet_said() -> None:
    row = Row(Limits(10))
    async with open_gate(row, 1) as gate, open_gate(row, 2) as other:
        assert gate.room == 1  # nobody knows: one may look
        await gate.enter(lambda: 1)
        assert gate.room == 9
        for _ in range(7):
            await other.enter(lambda: 1)
        await asyncio.sleep(0.7)  # a beat
        assert gate.room == 2
        gate.leave(Pass(), Outcome(overloaded=True))
        assert gate.room == 0  # before the fleet has heard of it
        row.state = replace(row.state, closed_until=asyncio.get_running_loop().time() + 5)
        await asyncio.sleep(0.7)
        with pytest.raises(Closed):
            await gate.enter(lambda: 1)
        assert gate.room == 0
        for _ in range(7):
            other.leave(Pass(), Outcome())


async def test_where_callers_wait_for_their_time_to_start_there_is_no_room() -> None:
    async with open_gate(Row(Limits(50, requests_per_minute=60))) as gate:
        gate.leave(await gate.enter(lambda: 1), Outcome(answered=True))
        assert gate.room > 0
        waiting = asyncio.create_task(gate.enter(lambda: 1))
        await asyncio.sleep(0)
        assert gate.room == 0
        gate.leave(await waiting, Outcome(answered=True))


async def test_a_database_that_is_away_is_waited_for() -> None:
    row = Row(Limits(5), down=Unavailable("away"))
    async with open_gate(row) as gate:
        waiting = asyncio.create_task(gate.enter(lambda: 1))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        row.down = None
        await asyncio.wait_for(waiting, 3)
        gate.leave(Pass(), Outcome())


class Heard(LimitsInMemory):
    """With what was told of how calls ended."""

    def __init__(self, row: Row) -> None:
        super().__init__(row)
        self.tries: list[Tries] = []
        self.last_word = asyncio.Event()

    async def exchange(self, endpoint: str, ask: Ask) -> Grant:
        if not ask.wanted:
            self.last_word.set()
        grant = await super().exchange(endpoint, ask)
        self.tries.append(ask.tries)
        return grant

    def count(self, name: str) -> int:
        return sum(getattr(tries, name) for tries in self.tries)


async def test_what_a_database_that_was_away_did_not_hear_it_hears_once() -> None:
    row = Row(Limits(5))
    heard = Heard(row)
    gate = Gate("here", heard)
    for _ in range(5):
        await gate.enter(lambda: 1)
    row.down = Unavailable("away")
    for outcome in (Outcome(answered=True), Outcome(overloaded=True), Outcome(timed_out=True)):
        gate.leave(Pass(), outcome)
        await asyncio.sleep(0.3)
    assert heard.count("overloaded") == 0
    row.down = None
    await asyncio.sleep(0.8)
    gate.leave(Pass(), Outcome(unreachable=True))
    await gate.close()
    for name in ("answered", "overloaded", "timed_out", "failed"):
        assert heard.count(name) == 1


async def test_a_call_that_ends_while_a_gate_closes_is_told_once() -> None:
    heard = Heard(Row(Limits(5)))
    gate = Gate("here", heard)
    await gate.enter(lambda: 1)
    await gate.enter(lambda: 1)
    gate.leave(Pass(), Outcome(answered=True))
    closing = asyncio.create_task(gate.close())
    await heard.last_word.wait()
    gate.leave(Pass(), Outcome(answered=True))
    await closing
    await asyncio.sleep(0.5)
    assert heard.count("answered") == 2


async def test_a_defect_fails_those_who_wait() -> None:
    row = Row(Limits(5), down=RuntimeError("a defect"))
    gate = Gate("here", LimitsInMemory(row))
    with pytest.raises(RuntimeError, match="a defect"):
        await asyncio.wait_for(gate.enter(lambda: 1), 3)
    row.down = None
    await gate.close()
