"""Nothing is paid twice, and a bad answer is asked again as often as was decided."""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from graphmill.llm.budgets import Budgets, OverBudget, RunMoney
from graphmill.llm.caller import Deferred, ModelCaller, Stored, Unread
from graphmill.llm.calls import InvalidAnswer, Message, ModelAnswer, Payer, Question
from graphmill.llm.faults import CallRefused
from graphmill.models import CollectionKey

PAYER = Payer(CollectionKey("default", "sample"), uuid4(), "extract_graph")
QUESTION = Question("test.v1", "a-model", (Message("user", "a number?"),))


@dataclass
class Calls:
    """CallStore in memory; `claimed` by somebody else from the start where a test says so."""

    good: dict[bytes, str] = field(default_factory=dict[bytes, str])
    bad: list[str] = field(default_factory=list[str])
    claimed: set[bytes] = field(default_factory=set[bytes])
    own: set[bytes] = field(default_factory=set[bytes])
    unread: list[str] = field(default_factory=list[str])

    async def claim(self, payer: Payer, key: bytes) -> Stored:
        await asyncio.sleep(0)
        if key in self.good:
            return Stored(self.good[key])
        if key in self.claimed and key not in self.own:
            return Stored(None)
        self.claimed.add(key)
        self.own.add(key)
        unread = Unread(self.unread[0], len(self.bad)) if self.unread else None
        last_bad = self.bad[-1] if self.bad else None
        return Stored(None, len(self.bad), claimed=True, unread=unread, last_bad=last_bad)

    async def save(
        self, payer: Payer, key: bytes, question: Question, answer: ModelAnswer, *, valid: bool
    ) -> None:
        await asyncio.sleep(0)
        if valid:
            self.good[key] = answer.text
            self.claimed.discard(key)
        else:
            self.bad.append(answer.text)

    async def note_read(self, payer: Payer, key: bytes, unread: Unread, *, valid: bool) -> None:
        await asyncio.sleep(0)
        assert self.unread.pop(0) == unread.text
        if valid:
            self.good[key] = unread.text
            self.claimed.discard(key)
        else:
            self.bad.append(unread.text)

    def release(self, payer: Payer, key: bytes) -> None:
        self.claimed.discard(key)


@dataclass
class Model:
    """Answers one after the other; an exception is raised."""

    answers: list[ModelAnswer | Exception]
    asked: list[Question] = field(default_factory=list[Question])

    async def ask(self, question: Question) -> ModelAnswer:
        self.asked.append(question)
        await asyncio.sleep(0.01)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def said(text: str, *, complete: bool = True) -> ModelAnswer:
    return ModelAnswer(text, complete, 10, 5, "here")


def number(text: str) -> int:
    if not text.isdecimal():
        raise InvalidAnswer("it is no number")
    return int(text)


async def test_an_answer_is_stored_before_it_is_used_and_asked_once() -> None:
    calls, model = Calls(), Model([said("7")])
    caller = ModelCaller(calls, model)
    value, told = await caller.ask(PAYER, QUESTION, number)
    assert (value, told.cached) == (7, False)
    value, told = await caller.ask(PAYER, QUESTION, number)
    assert (value, told.cached) == (7, True)
    assert len(model.asked) == 1
    assert not calls.claimed


async def test_equal_questions_at_once_are_one_call() -> None:
    model = Model([said("7")])
    caller = ModelCaller(Calls(), model)
    found = await asyncio.gather(*(caller.ask(PAYER, QUESTION, number) for _ in range(20)))
    assert [value for value, _ in found] == [7] * 20
    assert sum(not told.cached for _, told in found) == 1
    assert len(model.asked) == 1


async def test_what_another_worker_asks_is_waited_for() -> None:
    calls = Calls(claimed={QUESTION.key})
    asking = asyncio.create_task(ModelCaller(calls, Model([])).ask(PAYER, QUESTION, number))
    await asyncio.sleep(0.1)
    calls.good[QUESTION.key] = "7"
    value, told = await asking
    assert (value, told.cached) == (7, True)


async def test_the_failure_of_one_is_not_that_of_others_who_ask_the_same() -> None:
    model = Model([CallRefused("no"), said("7")])
    caller = ModelCaller(Calls(), model)
    found = await asyncio.gather(
        *(caller.ask(PAYER, QUESTION, number) for _ in range(2)), return_exceptions=True
    )
    assert isinstance(found[0], CallRefused)
    assert not isinstance(found[1], BaseException)
    assert found[1][0] == 7


async def test_who_is_cancelled_gives_back_the_right_to_ask() -> None:
    calls = Calls()
    asking = asyncio.create_task(
        ModelCaller(calls, Model([said("7")])).ask(PAYER, QUESTION, number)
    )
    await asyncio.sleep(0.005)
    assert calls.claimed
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert not calls.claimed


async def test_a_bad_answer_is_asked_again_as_it_was_three_times_then_with_the_error() -> None:
    calls = Calls()
    model = Model([said("x"), said("7", complete=False), said("y"), said("8")])
    value, _ = await ModelCaller(calls, model).ask(PAYER, QUESTION, number)
    assert value == 8
    assert model.asked[:3] == [QUESTION] * 3
    assert "it is no number" in model.asked[3].messages[-1].content
    assert calls.bad == ["x", "7", "y"]
    assert calls.good == {QUESTION.key: "8"}


async def test_an_answer_that_is_never_good_fails_with_its_reason() -> None:
    calls, model = Calls(), Model([said("x")] * 9)
    with pytest.raises(InvalidAnswer, match="it is no number"):
        await ModelCaller(calls, model).ask(PAYER, QUESTION, number)
    assert len(model.asked) == 4
    assert not calls.good
    assert not calls.claimed


async def test_bad_answers_of_a_worker_that_died_count_and_so_does_what_was_wrong() -> None:
    calls, model = Calls(bad=["x", "y", "z"]), Model([said("x")] * 9)
    with pytest.raises(InvalidAnswer):
        await ModelCaller(calls, model).ask(PAYER, QUESTION, number)
    assert len(model.asked) == 1
    assert "it is no number" in model.asked[0].messages[-1].content
    # Its activity is done again, or another text unit has the same text: nothing is paid for it.
    with pytest.raises(InvalidAnswer, match="it is no number"):
        await ModelCaller(calls, model).ask(PAYER, QUESTION, number)
    assert len(model.asked) == 1
    assert not calls.claimed


async def test_an_answer_that_broke_off_and_can_be_read_is_told_as_that() -> None:
    calls = Calls(bad=["1", "2", "3", "4"])
    with pytest.raises(InvalidAnswer, match="broke off"):
        await ModelCaller(calls, Model([])).ask(PAYER, QUESTION, number)


@dataclass
class Waiting:
    """Later in memory."""

    questions: list[Question] = field(default_factory=list[Question])

    async def put(self, payer: Payer, key: bytes, question: Question) -> None:
        assert key == question.key
        self.questions.append(question)


async def test_an_answer_of_a_batch_counts_once_somebody_has_read_it() -> None:
    calls, model = Calls(unread=["x", "7"]), Model([])
    value, told = await ModelCaller(calls, model).ask(PAYER, QUESTION, number)
    assert (value, told.cached) == (7, False)
    assert calls.good == {QUESTION.key: "7"}
    assert calls.bad == ["x"]
    assert not calls.claimed


async def test_a_question_for_later_is_put_down_and_not_asked() -> None:
    calls, model, later = Calls(), Model([]), Waiting()
    caller = ModelCaller(calls, model, later=later)
    with pytest.raises(Deferred):
        await caller.ask(PAYER, QUESTION, number)
    assert later.questions == [QUESTION]
    assert not calls.claimed
    calls.good[QUESTION.key] = "7"
    assert (await caller.ask(PAYER, QUESTION, number))[0] == 7


async def test_what_batches_answer_badly_three_times_is_left_to_direct_calls() -> None:
    calls, later = Calls(bad=["x", "y"], unread=["z"]), Waiting()
    with pytest.raises(Deferred):
        await ModelCaller(calls, Model([]), later=later).ask(PAYER, QUESTION, number)
    assert later.questions == []
    model = Model([said("7")])
    assert (await ModelCaller(calls, model).ask(PAYER, QUESTION, number))[0] == 7


@dataclass
class Money:
    """A run that may spend nothing."""

    async def run_money(self, run_id: UUID) -> RunMoney:
        return RunMoney(0)


async def test_without_money_what_is_stored_is_told_and_nothing_asked() -> None:
    calls, model = Calls({QUESTION.key: "7"}), Model([])
    caller = ModelCaller(calls, model, Budgets(Money(), lambda question, tokens: 1))
    assert (await caller.ask(PAYER, QUESTION, number))[0] == 7
    other = Question("test.v1", "a-model", (Message("user", "another?"),))
    with pytest.raises(OverBudget):
        await caller.ask(PAYER, other, number)
    assert not model.asked
    assert not calls.claimed


async def test_questions_whose_answers_were_paid_for_are_told_of() -> None:
    known: list[tuple[Payer, Question]] = []
    caller = ModelCaller(
        Calls(), Model([said("7")]), on_known=lambda payer, asked: known.append((payer, asked))
    )
    await asyncio.gather(*(caller.ask(PAYER, QUESTION, number) for _ in range(3)))
    assert known == [(PAYER, QUESTION)] * 2  # one call, whose answer is that of three
    await caller.ask(PAYER, QUESTION, number)
    assert len(known) == 3


def test_a_key_depends_on_all_that_the_answer_depends_on() -> None:
    questions = [
        QUESTION,
        Question("test.v2", "a-model", QUESTION.messages),
        Question("test.v1", "b-model", QUESTION.messages),
        Question("test.v1", "a-model", (Message("system", "a number?"),)),
        Question("test.v1", "a-model", QUESTION.messages, max_tokens=1),
        Question("test.v1", "a-model", QUESTION.messages, temperature=1),
    ]
    assert len({question.key for question in questions}) == len(questions)
    assert Question("test.v1", "a-model", (Message("user", "a number?"),)).key == QUESTION.key
    assert len(Question("t", "m", (Message("user", "\ud800"),)).key) == 32
