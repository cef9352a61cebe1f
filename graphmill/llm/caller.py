"""Asking a model so that nothing is paid twice: stored answers, one call for equal questions."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from graphmill.errors import GraphmillError
from graphmill.llm.budgets import Budgets
from graphmill.llm.calls import InvalidAnswer, Message, ModelAnswer, Payer, Question
from graphmill.llm.pool import Asks

T = TypeVar("T")

# The same question so often, then once more with what was wrong.
SAME_QUESTION_TRIES = 3
_CLAIM_WAIT = 0.2
_BROKEN_OFF = "the answer broke off before its end"


class Deferred(GraphmillError):
    """The answer comes with a batch, or not before somebody asks without one."""


@dataclass(frozen=True, slots=True)
class Unread:
    """An answer that came in a batch, and its number among the question's answers."""

    text: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known of a question: its good answer, how many bad ones were paid for before, whether
    who looked it up may ask it now, and an answer that nobody has read yet. `of_own_batch`: a batch
    of the payer's own run brought the good one, so it is none of before. `last_bad`: of the bad."""

    answer: str | None
    bad_answers: int = 0
    claimed: bool = False
    unread: Unread | None = None
    of_own_batch: bool = False
    last_bad: str | None = None


class CallStore(Protocol):
    """Where answers are kept before they are used."""

    async def claim(self, payer: Payer, key: bytes) -> Stored:
        """A stored answer; or the right to ask, which nobody else then has while we live. Who is
        cancelled meanwhile has no right."""
        ...

    async def save(
        self, payer: Payer, key: bytes, question: Question, answer: ModelAnswer, *, valid: bool
    ) -> None:
        """Keep a paid answer, good or bad, whatever happens to who waits for it; a good one ends
        the claim."""
        ...

    async def note_read(self, payer: Payer, key: bytes, unread: Unread, *, valid: bool) -> None:
        """Say what an unread answer is; a good one ends the claim."""
        ...

    def release(self, payer: Payer, key: bytes) -> None:
        """Give back the right to ask, as soon as that can be told."""
        ...


class Later(Protocol):
    """Where questions wait for a batch."""

    async def put(self, payer: Payer, key: bytes, question: Question) -> None:
        """Remember a question; nothing where it is there already."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """A good answer. `cached`: it was paid for before."""

    text: str
    cached: bool


def _ignore(payer: Payer, question: Question) -> None:
    pass


class ModelCaller:
    def __init__(
        self,
        store: CallStore,
        endpoints: Asks,
        budgets: Budgets | None = None,
        on_known: Callable[[Payer, Question], None] = _ignore,
        later: Later | None = None,
    ) -> None:
        """`budgets` None: nobody has one. `on_known` is told of each question whose answer was paid
        for before. With `later` no endpoint is asked: what has no answer is put there."""
        self._store = store
        self._endpoints = endpoints
        self._budgets = budgets
        self._on_known = on_known
        self._later = later
        self._asking: dict[tuple[str, bytes], asyncio.Future[Told]] = {}

    async def ask(
        self, payer: Payer, question: Question, read: Callable[[str], T]
    ) -> tuple[T, Told]:
        """Ask, or take the answer that is stored; `read` says what it means.

        Args:
            read: takes the text of a complete answer, raises InvalidAnswer where it is none. It
                must give the same for the same text.

        Raises:
            InvalidAnswer: no answer was any good, so often as it is asked.
            OverBudget: no answer is stored, and its run has no money left for a call.
            Deferred: no answer is stored, and none is asked for now.
            CallRefused, Unavailable: as EndpointPool.ask.
        """
        key = question.key
        place = (payer.key.tenant, key)
        while (asking := self._asking.get(place)) is not None:
            # The same question in this process: its answer is ours, its failure is not.
            await asyncio.wait([asking])
            if not asking.cancelled() and asking.exception() is None:
                told = asking.result()
                self._on_known(payer, question)
                return read(told.text), Told(told.text, cached=True)
        future: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._asking[place] = future
        try:
            value, told = await self._ask(payer, key, question, read)
        except BaseException as error:
            if isinstance(error, Exception):
                future.set_exception(error)
                future.exception()  # nobody has to wait for it
            else:
                future.cancel()
            raise
        else:
            future.set_result(told)
            return value, told
        finally:
            del self._asking[place]

    async def _ask(
        self, payer: Payer, key: bytes, question: Question, read: Callable[[str], T]
    ) -> tuple[T, Told]:
        while True:
            stored = await self._store.claim(payer, key)
            if stored.answer is not None:
                if not stored.of_own_batch:
                    self._on_known(payer, question)
                return read(stored.answer), Told(stored.answer, cached=True)
            if stored.claimed:
                break
            await asyncio.sleep(_CLAIM_WAIT)
        try:
            while stored.unread is not None:
                try:
                    value = read(stored.unread.text)
                except InvalidAnswer:
                    await self._store.note_read(payer, key, stored.unread, valid=False)
                else:
                    await self._store.note_read(payer, key, stored.unread, valid=True)
                    return value, Told(stored.unread.text, cached=False)
                stored = await self._store.claim(payer, key)
            if self._later is not None:
                if stored.bad_answers < SAME_QUESTION_TRIES:
                    await self._later.put(payer, key, question)
                raise Deferred("the answer is still to come")
            return await self._ask_until_good(payer, key, question, read, stored)
        except BaseException:
            self._store.release(payer, key)
            raise

    async def _ask_until_good(
        self,
        payer: Payer,
        key: bytes,
        question: Question,
        read: Callable[[str], T],
        stored: Stored,
    ) -> tuple[T, Told]:
        bad_answers = stored.bad_answers
        wrong = None if stored.last_bad is None else _wrong_with(stored.last_bad, read)
        if wrong is not None and bad_answers > SAME_QUESTION_TRIES:
            raise wrong  # its run has asked often enough: in an attempt before, or elsewhere
        while True:
            asked = question
            if wrong is not None and bad_answers >= SAME_QUESTION_TRIES:
                asked = _with_error(question, wrong)
            answer = await self._call(payer, asked)
            try:
                if not answer.complete:
                    raise InvalidAnswer(_BROKEN_OFF)
                value = read(answer.text)
            except InvalidAnswer as error:
                wrong = error
                bad_answers += 1
                await self._store.save(payer, key, question, answer, valid=False)
                if bad_answers > SAME_QUESTION_TRIES:
                    raise
            else:
                await self._store.save(payer, key, question, answer, valid=True)
                return value, Told(answer.text, cached=False)

    async def _call(self, payer: Payer, question: Question) -> ModelAnswer:
        if self._budgets is None:
            return await self._endpoints.ask(question)
        async with self._budgets.call(payer, question) as call:
            call.answer = await self._endpoints.ask(question)
        return call.answer


def _wrong_with(text: str, read: Callable[[str], object]) -> InvalidAnswer:
    """What was wrong with a bad answer: one that can be read had broken off."""
    try:
        read(text)
    except InvalidAnswer as error:
        return error
    return InvalidAnswer(_BROKEN_OFF)


def _with_error(question: Question, wrong: InvalidAnswer) -> Question:
    words = f"An earlier answer to this could not be used: {wrong}. Answer again, and mend that."
    return Question(
        question.prompt,
        question.model,
        (*question.messages, Message("user", words)),
        question.schema,
        question.max_tokens,
        question.temperature,
    )
