"""A call over real HTTP: tried again, elsewhere, or given up with words, by one policy."""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from graphmill.errors import Unavailable
from graphmill.llm.addresses import Address
from graphmill.llm.calls import Message, ModelAnswer, Question, Schema
from graphmill.llm.client import open_client
from graphmill.llm.faults import (
    AskOtherwise,
    BrokenAnswer,
    CallRefused,
    ContextTooLong,
    QuestionRefused,
)
from graphmill.llm.gate import Gate
from graphmill.llm.limits import Limits
from graphmill.llm.manners import AnswerForm, Guess, Manners, MannersMemory
from graphmill.llm.pool import Endpoint, EndpointPool, Price, Retried
from graphmill.llm.vectors import TextBatch, VectorBatch
from tests.support.model_endpoint import Behaviour, ModelEndpoint, running_endpoint
from tests.unit.llm.limits_in_memory import LimitsInMemory, Row

SCHEMA = Schema(
    "summarize_description",
    {
        "type": "object",
        "properties": {"description": {"type": "string"}},
        "required": ["description"],
        "additionalProperties": False,
    },
)


def question(number: int = 0) -> Question:
    said = Message("user", f"describe number {number}")
    return Question("test.v1", "a-model", (said,), SCHEMA, max_tokens=500)


@dataclass
class Road:
    """A pool over simulated endpoints, with what it did."""

    pool: EndpointPool
    rows: list[Row]
    retried: list[Retried] = field(default_factory=list[Retried])

    async def ask(self, count: int, start: int = 0) -> None:
        await asyncio.gather(*(self.pool.ask(question(start + n)) for n in range(count)))


@asynccontextmanager
async def open_road(
    *endpoints: ModelEndpoint,
    limits: Limits,
    key: str = "",
    seconds: float = 20,
    memory: MannersMemory | None = None,
) -> AsyncGenerator[Road]:
    async with AsyncExitStack() as stack:
        made: list[Endpoint] = []
        rows: list[Row] = []
        for number, endpoint in enumerate(endpoints):
            name = f"endpoint-{number}"
            address = Address(name, endpoint.base_url, key)
            client = await stack.enter_async_context(open_client(address, seconds, memory))
            row = Row(limits)
            gate = Gate(name, LimitsInMemory(row))
            stack.push_async_callback(gate.close)
            made.append(Endpoint(name, gate, client, price=Price(0.5, 2)))
            rows.append(row)
        retried: list[Retried] = []
        pool = EndpointPool(made, lambda text: len(text) // 4, retried.append)
        yield Road(pool, rows, retried)


def test_an_estimate_is_the_price_where_the_question_is_dearest() -> None:
    def endpoint(name: str, price: float, models: frozenset[str] = frozenset()) -> Endpoint:
        asked = cast(Any, None)  # it is not
        return Endpoint(name, asked, asked, models, price=Price(price, 2 * price))

    pool = EndpointPool(
        [endpoint("cheap", 1), endpoint("dear", 3), endpoint("other", 9, frozenset(["b-model"]))],
        lambda text: len(text),
    )
    said = Message("user", "x" * 50)
    assert pool.estimate(Question("test.v1", "a-model", (said, said)), 10) == 3000 * (100 + 2 * 10)
    assert pool.estimate(Question("test.v1", "b-model", (said,)), 0) == 9000 * 50


async def test_an_answer_has_its_tokens_and_its_price() -> None:
    async with running_endpoint() as endpoint, open_road(endpoint, limits=Limits(5)) as road:
        answer = await road.pool.ask(question())
        assert answer.complete
        assert '"description"' in answer.text
        assert answer.prompt_tokens > 0
        assert answer.nano_usd == answer.prompt_tokens * 500 + answer.completion_tokens * 2000


class Memory:
    """Manners beyond the life of a client, by the name of the model."""

    def __init__(self) -> None:
        self.known: dict[str, Manners] = {}

    async def load(self, base_url: str, model: str) -> Manners | None:
        return self.known.get(f"{base_url} {model}")

    async def save(self, base_url: str, model: str, manners: Manners) -> None:
        self.known[f"{base_url} {model}"] = manners


async def test_what_form_of_answer_a_model_has_is_found_out_once() -> None:
    memory = Memory()
    async with running_endpoint(Behaviour(structured="none")) as endpoint:
        async with open_road(endpoint, limits=Limits(5), memory=memory) as road:
            await road.pool.ask(question())
            await road.ask(5, start=1)
        assert list(memory.known.values()) == [Manners(form=AnswerForm.TEXT)]
        async with open_road(endpoint, limits=Limits(5), memory=memory) as road:
            await road.ask(5, start=6)  # another process
        stats = await endpoint.stats()
        assert stats.refused["response_format"] == 2
        assert stats.answered == 11


async def test_how_long_an_answer_may_be_is_found_out_once() -> None:
    memory = Memory()
    async with (
        running_endpoint(Behaviour(answer_tokens=400)) as endpoint,
        open_road(endpoint, limits=Limits(5), memory=memory) as road,
    ):
        await road.ask(1)
        assert list(memory.known.values()) == [Manners(answer_tokens=400)]
        await endpoint.change(context_tokens=390)
        await road.ask(1, start=1)
        assert list(memory.known.values()) == [Manners(answer_tokens=400, context_tokens=390)]
        await road.ask(5, start=2)
        stats = await endpoint.stats()
        assert (stats.refused["answer_length"], stats.refused["context"]) == (1, 1)
        assert stats.answered == 7


async def test_a_refusal_that_repeats_a_document_changes_nothing_for_others() -> None:
    memory = Memory()
    said = Message("user", "forbidden: response_format json_schema temperature encoding_format")
    async with (
        running_endpoint(Behaviour(filtered="forbidden")) as endpoint,
        open_road(endpoint, limits=Limits(5), memory=memory) as road,
    ):
        with pytest.raises(QuestionRefused):
            await road.pool.ask(replace(question(), messages=(said,)))
        assert not memory.known
        await road.ask(1)
        assert not memory.known


async def test_where_nothing_is_said_of_tokens_ours_count() -> None:
    async with (
        running_endpoint(Behaviour(tells_usage=False)) as endpoint,
        open_road(endpoint, limits=Limits(5)) as road,
    ):
        answer = await road.pool.ask(question())
    assert answer.prompt_tokens == len("describe number 0") // 4
    assert answer.completion_tokens > 0
    assert answer.nano_usd > 0


async def test_a_question_that_always_fails_while_others_are_answered_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("graphmill.llm.pool._FIRST_PAUSE", 0.01)
    async with (
        running_endpoint(Behaviour(poison="number 7", seconds=0.02)) as endpoint,
        open_road(endpoint, limits=Limits(5)) as road,
    ):
        others = asyncio.create_task(_ask_on(road))
        with pytest.raises(QuestionRefused, match="does not fail with others"):
            await asyncio.wait_for(road.pool.ask(question(7)), 20)
        assert len(road.retried) in (8, 9)  # before the first nobody may have been answered
        others.cancel()
        assert road.rows[0].state.allowed == 5  # and it costs the others no places


async def _ask_on(road: Road) -> None:
    for number in range(1000, 5000, 3):
        await road.ask(3, start=number)


async def test_one_that_fails_alone_is_given_up_at_the_end_of_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("graphmill.llm.pool.CALL_SECONDS", 1.5)
    async with (
        running_endpoint(Behaviour(poison="number 7")) as endpoint,
        open_road(endpoint, limits=Limits(5)) as road,
    ):
        with pytest.raises(QuestionRefused, match="does not fail with others"):
            await road.pool.ask(question(7))


async def test_one_that_fails_with_all_others_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphmill.llm.pool.CALL_SECONDS", 1.5)
    async with (
        running_endpoint(Behaviour(rate_500=1.0)) as endpoint,
        open_road(endpoint, limits=Limits(5)) as road,
    ):
        asked = (road.pool.ask(question(number)) for number in range(3))
        for error in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(error, Unavailable)


async def test_an_endpoint_that_answers_errors_alone_is_left() -> None:
    async with (
        running_endpoint(Behaviour(rate_500=1.0)) as one,
        running_endpoint(Behaviour(seconds=0.02)) as other,
        open_road(one, other, limits=Limits(4)) as road,
    ):
        await road.ask(100)
        before = (await one.stats()).begun
        await road.ask(300, start=100)
        assert (await other.stats()).answered == 400
        assert (await one.stats()).begun - before <= 15  # looking whether it is well again


async def test_manners_are_a_models_own() -> None:
    memory = Memory()
    async with (
        running_endpoint(Behaviour(structured="none")) as endpoint,
        open_road(endpoint, limits=Limits(5), memory=memory) as road,
    ):
        await road.pool.ask(question())
        await endpoint.change(structured="json_schema")
        await road.pool.ask(replace(question(), model="another"))
    assert list(memory.known) == [f"{endpoint.base_url} a-model"]


async def test_faults_are_tried_again_and_no_neighbour_is_lost() -> None:
    behaviour = Behaviour(
        places=20, seconds=0.05, rate_429=0.05, rate_500=0.03, rate_cut=0.03, rate_hang=0.01, seed=3
    )
    async with (
        running_endpoint(behaviour) as endpoint,
        open_road(endpoint, limits=Limits(20), seconds=3) as road,
    ):
        await road.ask(200)
        stats = await endpoint.stats()
        assert stats.answered == 200
        assert stats.repeats_of_answered == 0
        assert stats.repeats == len(road.retried) == sum(stats.faults.values())


async def test_retry_after_is_obeyed_to_the_second() -> None:
    async with (
        running_endpoint(Behaviour(places=5, rate_429=1.0, retry_after=2)) as endpoint,
        open_road(endpoint, limits=Limits(5)) as road,
    ):
        began = time.monotonic()
        asking = asyncio.create_task(road.ask(1))
        await asyncio.sleep(1)
        await endpoint.change(rate_429=0.0)
        await asking
        assert 2.0 <= time.monotonic() - began < 3.5
        assert (await endpoint.stats()).begun == 2


async def test_an_endpoint_that_is_closed_for_hours_is_not_asked_again_every_few_seconds() -> None:
    async with (
        running_endpoint(Behaviour(rate_429=1.0, retry_after=7200)) as endpoint,
        open_road(endpoint, limits=Limits(5)) as road,
    ):
        with pytest.raises(Unavailable, match="takes no calls") as away:
            await road.pool.ask(question())
        assert away.value.retry_in == 600
        await asyncio.sleep(0.3)  # until the fleet has heard of it
        assert road.rows[0].state.closed_until - asyncio.get_running_loop().time() > 7100
        assert (await endpoint.stats()).begun == 1


async def test_who_waits_for_one_of_two_closed_endpoints_waits_for_the_first_that_opens() -> None:
    async with (
        running_endpoint(Behaviour(rate_429=1.0, retry_after=7200)) as one,
        running_endpoint(Behaviour(rate_429=1.0, retry_after=2)) as other,
        open_road(one, other, limits=Limits(5)) as road,
    ):
        asking = asyncio.create_task(road.ask(4))
        await asyncio.sleep(1)
        await other.change(rate_429=0.0)
        await asyncio.wait_for(asking, 5)
        assert (await one.stats()).begun <= 4


async def test_what_is_over_an_endpoints_places_goes_elsewhere() -> None:
    async with (
        running_endpoint(Behaviour(places=2, seconds=0.1)) as one,
        running_endpoint(Behaviour(places=2, seconds=0.1)) as other,
        open_road(one, other, limits=Limits(2)) as road,
    ):
        await road.ask(20)
        counts = [(await endpoint.stats()).answered for endpoint in (one, other)]
        assert sum(counts) == 20
        assert min(counts) >= 7


async def test_a_dead_endpoint_is_left_and_taken_back() -> None:
    async with (
        running_endpoint(Behaviour(seconds=0.02)) as one,
        running_endpoint(Behaviour(seconds=0.02)) as other,
        open_road(one, other, limits=Limits(4)) as road,
    ):
        one.kill()
        await road.ask(100)
        assert (await other.stats()).answered == 100
        failed = len(road.retried)
        await road.ask(100, start=100)
        assert len(road.retried) - failed <= 3  # only a call that looks whether it is back
        await one.start_again()
        for start in range(200, 2000, 50):
            await road.ask(50, start=start)
            if (await one.stats()).answered > 20:
                return
            await asyncio.sleep(0.5)
        pytest.fail("it was never taken back")


async def test_an_endpoint_that_comes_back_loses_nothing() -> None:
    async with (
        running_endpoint(Behaviour(places=4, seconds=0.2)) as endpoint,
        open_road(endpoint, limits=Limits(4)) as road,
    ):
        asking = asyncio.create_task(road.ask(20))
        await asyncio.sleep(0.5)
        endpoint.kill()
        await asyncio.sleep(0.5)
        await endpoint.start()
        await asyncio.wait_for(asking, 40)


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (Behaviour(api_key="sk-right"), "OPENAI_API_KEY"),
        (Behaviour(models=("another",)), "OPENAI_MODEL"),
    ],
)
async def test_what_will_never_be_answered_stops_at_once(behaviour: Behaviour, words: str) -> None:
    async with (
        running_endpoint(behaviour) as endpoint,
        open_road(endpoint, limits=Limits(4), key="sk-secret") as road,
    ):
        with pytest.raises(CallRefused, match=words) as refused:
            await road.pool.ask(question())
        assert "sk-" not in str(refused.value)
        assert not road.retried


async def test_an_endpoint_whose_key_is_refused_is_left_to_others_that_answer() -> None:
    async with (
        running_endpoint(Behaviour(api_key="sk-right")) as one,
        running_endpoint(Behaviour(seconds=0.02)) as other,
        open_road(one, other, limits=Limits(4), key="sk-secret") as road,
    ):
        await road.ask(20)
        tried = (await one.stats()).begun
        assert 1 <= tried <= 4  # those that it had let in before it refused the first
        await road.ask(100, start=20)
        assert (await other.stats()).answered == 120
        assert (await one.stats()).begun == tried
        assert len(road.retried) == tried
        assert all("OPENAI_API_KEY" in str(told.error) for told in road.retried)


async def test_an_endpoint_that_refused_is_asked_again_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("graphmill.llm.pool._SHUNNED_SECONDS", 0.5)
    async with (
        running_endpoint(Behaviour(api_key="sk-right")) as one,
        running_endpoint(Behaviour(seconds=0.02)) as other,
        open_road(one, other, limits=Limits(4), key="sk-secret") as road,
    ):
        await road.ask(4)
        await one.change(api_key=None)
        await asyncio.sleep(0.6)
        await road.ask(40, start=4)
        assert (await one.stats()).answered > 0


async def test_where_each_endpoint_refuses_all_that_they_say_is_told() -> None:
    async with (
        running_endpoint(Behaviour(api_key="sk-right")) as one,
        running_endpoint(Behaviour(models=("another",))) as other,
        open_road(one, other, limits=Limits(4), key="sk-secret") as road,
    ):
        for number in range(2):  # the second one too, though both have refused before
            with pytest.raises(CallRefused, match="OPENAI_API_KEY") as refused:
                await road.pool.ask(question(number))
            assert "OPENAI_MODEL" in str(refused.value)


async def test_a_question_that_is_refused_is_not_asked_elsewhere() -> None:
    async with (
        running_endpoint(Behaviour(filtered="number 7")) as one,
        running_endpoint() as other,
        open_road(one, other, limits=Limits(4)) as road,
    ):
        with pytest.raises(QuestionRefused):
            await road.pool.ask(question(7))
        await road.ask(6)
        assert (await one.stats()).answered > 0  # and it costs the endpoint nothing
        assert not road.retried


async def test_each_call_that_finds_out_how_to_ask_has_its_own_time_to_start() -> None:
    memory = Memory()
    limits = Limits(20, requests_per_minute=120)
    async with (
        running_endpoint(Behaviour(structured="none")) as endpoint,
        open_road(endpoint, limits=limits, memory=memory) as road,
    ):
        await road.ask(2)
        stats = await endpoint.stats()
    assert stats.begun == len(stats.arrivals) >= 4
    between = [after - before for before, after in itertools.pairwise(stats.arrivals)]
    assert min(between) > 0.35  # half a second each
    assert list(memory.known.values()) == [Manners(form=AnswerForm.TEXT)]
    assert not road.retried
    assert road.rows[0].state.allowed == 20


class FindsOut:
    """A client whose endpoint refuses the first way, fails once, and answers."""

    def __init__(self) -> None:
        self.guesses: list[Guess | None] = []

    async def ask(self, question: Question, guess: Guess | None = None) -> ModelAnswer:
        self.guesses.append(guess)
        if len(self.guesses) == 1:
            raise AskOtherwise("not so", Guess(Manners(temperature=False), Manners()))
        if len(self.guesses) == 2:
            raise BrokenAnswer("half an answer")
        return ModelAnswer("{}", True, 1, 1, "here")

    async def embed(self, batch: TextBatch, guess: Guess | None = None) -> VectorBatch:
        raise NotImplementedError


async def test_a_fault_while_it_is_found_out_how_to_ask_forgets_nothing() -> None:
    client = FindsOut()
    gate = Gate("here", LimitsInMemory(Row(Limits(5))))
    pool = EndpointPool([Endpoint("here", gate, client)], lambda text: len(text) // 4)
    await pool.ask(question())
    await gate.close()
    found = Guess(Manners(temperature=False), Manners())
    assert client.guesses == [None, found, found]


async def test_who_waits_at_an_endpoint_that_hangs_goes_where_there_is_room() -> None:
    async with (
        running_endpoint(Behaviour(rate_hang=1.0)) as one,
        running_endpoint(Behaviour(seconds=0.05)) as other,
        open_road(one, other, limits=Limits(4)) as road,
    ):
        asking = [asyncio.create_task(road.pool.ask(question(number))) for number in range(60)]
        # All but those that hang, long before any of these times out.
        await asyncio.sleep(5)
        assert sum(task.done() for task in asking) == (await other.stats()).answered == 56
        assert (await one.stats()).begun == 4
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def test_an_endpoint_that_only_hangs_is_left_and_looked_at_by_single_calls() -> None:
    async with (
        running_endpoint(Behaviour(rate_hang=1.0)) as one,
        running_endpoint(Behaviour(seconds=0.02)) as other,
        open_road(one, other, limits=Limits(8), seconds=0.5) as road,
    ):
        await road.ask(100)
        begun = (await one.stats()).begun
        assert begun >= 5
        for start in range(100, 1100, 100):
            await road.ask(100, start=start)
            await asyncio.sleep(0.3)
        assert (await other.stats()).answered == 1100
        assert (await one.stats()).begun - begun <= 3


async def test_slow_calls_among_others_that_are_answered_close_no_endpoint() -> None:
    async with (
        running_endpoint(Behaviour(rate_hang=0.06, seconds=0.2, seed=2)) as endpoint,
        open_road(endpoint, limits=Limits(100), seconds=2) as road,
    ):
        await road.ask(300)
        assert (await endpoint.stats()).faults["hang"] > 10
        assert road.rows[0].state.failures < 5
        assert road.rows[0].state.closed_until == 0


async def test_where_nothing_is_answered_in_time_it_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("graphmill.llm.pool.CALL_SECONDS", 2.0)
    async with (
        running_endpoint(Behaviour(rate_hang=1.0)) as endpoint,
        open_road(endpoint, limits=Limits(4), seconds=0.4) as road,
    ):
        asked = (road.pool.ask(question(number)) for number in range(3))
        for error in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(error, Unavailable)
            assert "raise timeout_seconds of endpoint 'endpoint-0' in graphmill.toml" in str(error)
        await endpoint.change(rate_hang=0.0, rate_500=1.0)
        asked = (road.pool.ask(question(number)) for number in range(3))
        for error in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(error, Unavailable)
            assert "timeout_seconds" not in str(error)


async def test_a_question_that_is_too_long_says_what_to_do() -> None:
    async with (
        running_endpoint(Behaviour(context_tokens=1)) as endpoint,
        open_road(endpoint, limits=Limits(4)) as road,
    ):
        with pytest.raises(ContextTooLong, match="smaller chunk size"):
            await road.pool.ask(question())


async def test_an_answer_that_trickles_is_bounded_in_time() -> None:
    async with (
        running_endpoint(Behaviour(rate_trickle=1.0, trickle_seconds=60)) as endpoint,
        open_road(endpoint, limits=Limits(4), seconds=1) as road,
    ):
        asking = asyncio.create_task(road.pool.ask(question()))
        await asyncio.sleep(1.5)
        await endpoint.change(rate_trickle=0.0)
        assert (await asyncio.wait_for(asking, 20)).complete


async def test_an_answer_that_is_cut_off_says_so() -> None:
    async with (
        running_endpoint(Behaviour(rate_truncated=1.0, seed=1)) as endpoint,
        open_road(endpoint, limits=Limits(4)) as road,
    ):
        complete = {(await road.pool.ask(question(number))).complete for number in range(12)}
        assert complete == {True, False}  # it says so half of the time
