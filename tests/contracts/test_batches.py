"""Questions in batches: sent once whatever dies, answers stored like any other, half the price.

Activities, stores and HTTP are real; the endpoint with its Batch API is simulated. A worker
that dies is one whose objects are left where they stood; the next has objects of its own.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from temporalio.testing import ActivityEnvironment

import activities.batches
from activities.batch_questions import BatchQuestionActivities
from activities.batches import BatchActivities
from activities.extraction import ExtractionActivities
from activities.model_reports import ModelReportActivities
from activities.summaries import SummaryActivities
from graphmill.errors import Unavailable
from graphmill.ids import document_id
from graphmill.llm.batch_client import BatchClient
from graphmill.llm.budgets import OverBudget
from graphmill.llm.faults import CallRefused
from graphmill.messages import (
    BatchRun,
    CollectBatches,
    IndexDocumentInput,
    IndexDocumentResult,
    IndexRequest,
    OpenRun,
    QueueExtractions,
)
from graphmill.model_endpoints import open_later_caller, open_model_caller
from graphmill.model_settings import EndpointSettings
from graphmill.models import DocumentState, Method
from graphmill.processing import recipe
from graphmill.run_status import ModelUse
from graphmill.settings import load_settings
from graphmill.stores.postgres.indexing import PostgresIndexingStore
from graphmill.stores.postgres.model_accounts import PostgresModelAccounts, counting_known
from graphmill.stores.postgres.model_batches import PostgresBatchStore
from graphmill.stores.postgres.model_extractions import PostgresModelExtractionStore
from graphmill.stores.postgres.model_reports import PostgresModelReportStore
from graphmill.stores.postgres.options import PostgresOptionsStore
from graphmill.stores.postgres.summaries import PostgresSummaryStore
from tests.contracts.extracting import ModelCollection
from tests.support.model_endpoint import ModelEndpoint
from workers.models import open_batches

UNITS = 6
NAME = "letters.txt"
TEXTS = [f"Letter {number}: Ada Lovelace met Charles Babbage in London." for number in range(UNITS)]


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker process has of its own."""

    extraction: ExtractionActivities
    questions: BatchQuestionActivities
    batches: BatchActivities


class Killed(BaseException):
    """What ends a worker here, at the place where it is raised."""


class BatchedCollection(ModelCollection):
    """A collection whose text units wait, and workers that ask for them in batches."""

    def __init__(
        self, pool: asyncpg.Pool, endpoint: ModelEndpoint, database_url: str, **settings: Any
    ) -> None:
        super().__init__(pool, endpoint, database_url)
        self.base_url = endpoint.base_url
        self.settings = settings
        self._kept: Worker | None = None

    @property
    def run(self) -> BatchRun:
        return BatchRun(self.key, self.run_id)

    @asynccontextmanager
    async def worker(self) -> AsyncGenerator[Worker]:
        if self._kept is not None:
            yield self._kept
            return
        given = EndpointSettings(
            name="simulated", base_url=self.base_url, prompt_price=0, completion_price=1000
        )
        settings = load_settings({"endpoints": (given,), **self.settings})
        async with AsyncExitStack() as stack:
            known = await stack.enter_async_context(counting_known(self.pool))
            caller = await stack.enter_async_context(
                open_model_caller(self.pool, settings, lambda _: None, known.count)
            )
            later = await stack.enter_async_context(open_later_caller(self.pool, settings))
            batches = await stack.enter_async_context(open_batches(self.pool, settings))
            options = PostgresOptionsStore(self.pool)
            extractions = PostgresModelExtractionStore(self.pool)
            yield Worker(
                ExtractionActivities(extractions, options, caller, recipe),
                BatchQuestionActivities(
                    ExtractionActivities(extractions, options, later, recipe),
                    SummaryActivities(PostgresSummaryStore(self.pool), options, later),
                    ModelReportActivities(PostgresModelReportStore(self.pool), options, later),
                ),
                batches,
            )

    async def queue(self) -> int:
        async with self.worker() as worker:
            asked = QueueExtractions(self.run, self.recipe)
            return await ActivityEnvironment().run(worker.questions.queue_extractions, asked)

    async def recover(self) -> int:
        async with self.worker() as worker:
            return await ActivityEnvironment().run(worker.batches.recover_batches, self.run)

    async def submit(self) -> int:
        async with self.worker() as worker:
            return await ActivityEnvironment().run(worker.batches.submit_batches, self.run)

    async def cancel(self) -> None:
        async with self.worker() as worker:
            await ActivityEnvironment().run(worker.batches.cancel_batches, self.run)

    async def collect(self) -> None:
        """Until no batch is open."""
        async with self.worker() as worker, asyncio.timeout(20):
            asked = CollectBatches(self.run)
            while (await ActivityEnvironment().run(worker.batches.collect_batches, asked)).open:
                await asyncio.sleep(0.02)

    async def rounds(self, most: int = 20) -> int:
        """As the workflow takes them: how many there were."""
        async with self.worker() as self._kept:
            for round in range(most):
                if not await self.queue() or not await self.submit():
                    self._kept = None
                    return round
                await self.collect()
        raise AssertionError("they do not end")

    async def extract_directly(self) -> IndexDocumentResult:
        async with self.worker() as worker:
            input = IndexDocumentInput(self.key, self.recipe, document_id(NAME), self.run_id)
            return await ActivityEnvironment().run(worker.extraction.extract_document, input)

    async def use(self, run_id: UUID | None = None) -> ModelUse:
        accounts = PostgresModelAccounts(self.pool)
        return (await accounts.run_use(run_id or self.run_id)).total

    async def open_run(self, budget_usd: float) -> None:
        request = IndexRequest(self.key.name, self.key.tenant, budget_usd=budget_usd, batch=True)
        opening = OpenRun(self.run_id, "index/x/y", request)
        await PostgresIndexingStore(self.pool).open_run(
            opening, Method.STANDARD, recipe(self.recipe)
        )


Make = Callable[..., BatchedCollection]


@pytest.fixture
async def make(
    pool: asyncpg.Pool,
    model: ModelEndpoint,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Make:
    monkeypatch.chdir(tmp_path)  # no settings of the checkout's
    await model.change(batch_seconds=0.05)

    def make(**settings: Any) -> BatchedCollection:
        return BatchedCollection(pool, model, database_url, **settings)

    return make


async def test_batches_answer_what_a_document_asks_at_half_the_price(
    make: Make, model: ModelEndpoint
) -> None:
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    assert await letters.rounds() == 2  # the first questions; the gleanings that follow from them
    stats = await model.stats()
    assert (stats.begun, stats.batches, stats.batch_lines) == (0, 2, 2 * UNITS)
    use = await letters.use()
    assert (use.calls, use.cached) == (2 * UNITS, 0)
    assert (use.prompt_tokens, use.completion_tokens) == (
        stats.prompt_tokens,
        stats.completion_tokens,
    )
    # A thousandth of a dollar a token, halved.
    assert use.nano_usd == stats.completion_tokens * 1_000_000 / 2
    ended = await letters.extract_directly()
    assert (ended.state, ended.text_units) == (DocumentState.DONE, UNITS)
    assert ended.entities > 0
    assert (await model.stats()).begun == 0
    # What its own batches answered is no answer of before.
    assert await letters.use() == use


async def test_a_worker_that_dies_between_the_file_and_the_batch_makes_one_batch(
    make: Make, model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    assert await letters.queue() == UNITS

    async def die(*_: object) -> None:
        raise Killed

    for place in ((BatchClient, "upload"), (BatchClient, "create")):
        with monkeypatch.context() as killing:
            killing.setattr(*place, die)
            with pytest.raises(Killed):
                await letters.submit()
    assert (await model.stats()).batches == 0
    assert await letters.submit() == 1
    await letters.collect()
    stats = await model.stats()
    assert (stats.batches, stats.batch_lines, stats.repeats) == (1, UNITS, 0)


async def test_a_worker_that_dies_before_it_remembers_a_batch_finds_it_again(
    make: Make, model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = make(batch_lines=4)
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()

    async def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as killing:
        killing.setattr(PostgresBatchStore, "save_remote", die)
        for _ in range(3):
            with pytest.raises(Killed):
                await letters.submit()
    assert (await model.stats()).batches == 1
    assert await letters.submit() == 2  # and the one that was to follow
    await letters.collect()
    stats = await model.stats()
    assert (stats.batches, stats.batch_lines, stats.repeats) == (2, UNITS, 0)
    assert (await letters.use()).calls == UNITS


async def test_a_worker_that_dies_while_it_collects_pays_and_stores_nothing_twice(
    make: Make, model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activities.batches, "_STORED_TOGETHER", 2)
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    await letters.submit()
    save = PostgresBatchStore.save_answers
    saved = 0

    async def save_and_die(self: PostgresBatchStore, *given: Any) -> int:
        nonlocal saved
        saved += await save(self, *given)
        raise Killed

    with monkeypatch.context() as killing:
        killing.setattr(PostgresBatchStore, "save_answers", save_and_die)
        for _ in range(2):
            with pytest.raises(Killed):
                await letters.collect()
    assert saved == 2
    await letters.collect()
    stats = await model.stats()
    assert (await letters.use()).calls == stats.batch_answered == UNITS
    assert await letters.rounds() == 1  # the gleanings alone
    assert (await model.stats()).repeats == 0


async def test_lines_that_expired_or_failed_are_sent_again_and_those_left_are_asked_directly(
    make: Make, model: ModelEndpoint
) -> None:
    await model.change(batch_expire_share=0.5, batch_fail_share=0.2)
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    assert await letters.rounds() > 2
    stats = await model.stats()
    assert stats.batch_expired > 0
    assert stats.repeats_of_answered == 0
    assert stats.begun == 0
    assert (await letters.extract_directly()).state is DocumentState.DONE
    stats = await model.stats()
    assert stats.repeats_of_answered == 0
    assert stats.batch_answered + stats.answered == 2 * UNITS
    assert (await letters.use()).calls == 2 * UNITS


async def test_an_endpoint_that_answers_no_line_is_left_after_three_batches(
    make: Make, model: ModelEndpoint
) -> None:
    await model.change(batch_fail_share=1.0)
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    assert await letters.rounds() == 3
    assert (await model.stats()).batches == 3
    assert (await letters.extract_directly()).state is DocumentState.DONE


async def test_answers_that_cannot_be_read_are_paid_for_and_asked_again(
    make: Make, model: ModelEndpoint
) -> None:
    await model.change(rate_truncated=0.4)
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    await letters.rounds()
    await model.change(rate_truncated=0.0)
    assert (await letters.extract_directly()).state is DocumentState.DONE
    stats = await model.stats()
    bad = await letters.pool.fetchval(
        "SELECT count(*) FROM model_calls WHERE tenant = $1 AND NOT valid AND NOT unread",
        letters.key.tenant,
    )
    assert bad > 0
    assert (await letters.use()).calls == stats.batch_answered + stats.answered == 2 * UNITS + bad


async def test_a_batch_has_so_many_lines_and_bytes_at_most(
    make: Make, model: ModelEndpoint
) -> None:
    letters = make(batch_lines=4)
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    assert await letters.submit() == 2
    await letters.collect()
    small = make(batch_bytes=12_000)
    await small.wait_with(NAME, TEXTS)
    await small.queue()
    size = await small.pool.fetchval(
        "SELECT max(size) FROM model_batch_questions WHERE run_id = $1", small.run_id
    )
    assert await small.submit() == -(-UNITS // (12_000 // size)) > 1
    await small.collect()


async def test_an_open_batch_keeps_its_money_and_the_budget_ends_further_ones(
    make: Make, model: ModelEndpoint
) -> None:
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    # 600 tokens are assumed of an answer, a thousandth of a dollar each, halved: 30 cents.
    await letters.open_run(1.0)
    await letters.queue()
    assert await letters.submit() == 1
    stats = await model.stats()
    assert stats.batches == 1
    reserved = await PostgresBatchStore(letters.pool).reserved(letters.run_id)
    assert reserved == 3 * 300_000_000
    assert await letters.submit() == 1  # 10 cents are left, and kept
    await letters.collect()
    # What it really cost is known now: there is room for the rest.
    assert 0 < (await letters.use()).nano_usd < reserved
    await letters.queue()
    assert await letters.submit() == 1
    await letters.collect()
    assert (await letters.use()).calls > 3

    poor = make()
    await poor.wait_with(NAME, TEXTS)
    await poor.open_run(0.1)
    await poor.queue()
    with pytest.raises(OverBudget, match=r"the budget of \$0\.1 is used up"):
        await poor.submit()
    assert (await poor.use()).calls == 0


async def test_an_endpoint_without_a_batch_api_ends_the_run_in_plain_words(make: Make) -> None:
    letters = make()
    letters.base_url += "/elsewhere"
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    with pytest.raises(CallRefused, match=r"'simulated' has no Batch API .* without --batch"):
        await letters.submit()


async def test_a_refused_key_ends_the_run_in_plain_words(make: Make, model: ModelEndpoint) -> None:
    await model.change(api_key="another")
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    with pytest.raises(CallRefused, match="refuses the key"):
        await letters.submit()


async def test_how_a_model_wants_to_be_asked_is_found_out_from_its_first_batch(
    make: Make, model: ModelEndpoint
) -> None:
    await model.change(structured="none")
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    for _ in range(2):  # a schema is refused, then JSON mode
        await letters.queue()
        await letters.submit()
        await letters.collect()
    tries = "SELECT max(tries) FROM model_batch_questions WHERE run_id = $1"
    assert await letters.pool.fetchval(tries, letters.run_id) == 0
    assert await letters.rounds() == 2  # as ever
    assert (await letters.extract_directly()).state is DocumentState.DONE
    stats = await model.stats()
    assert (stats.begun, stats.batch_answered) == (0, 2 * UNITS)
    await letters.pool.execute("DELETE FROM model_manners")  # not for other tests


async def test_a_question_that_is_refused_is_not_sent_again_but_asked_directly(
    make: Make, model: ModelEndpoint
) -> None:
    letters = make()
    await letters.wait_with(NAME, [*TEXTS, "Ada Lovelace met Charles Babbage. " * 500])
    await model.change(context_tokens=2_000)
    assert await letters.rounds() == 2
    assert (await model.stats()).batches == 2
    ended = await letters.extract_directly()
    assert ended.state is DocumentState.PARTIAL
    assert "smaller chunk size" in ended.reason


async def test_nobody_sends_batches_while_an_attempt_that_was_given_up_still_does(
    make: Make, model: ModelEndpoint
) -> None:
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    async with PostgresBatchStore(letters.pool).alone(letters.key):
        for late in (letters.submit, letters.cancel, letters.recover):
            with pytest.raises(Unavailable):
                await late()
    assert (await model.stats()).batches == 0
    assert await letters.submit() == 1


async def test_a_cancelled_batch_gives_what_it_has_answered_and_the_rest_is_not_paid(
    make: Make, model: ModelEndpoint
) -> None:
    await model.change(batch_seconds=2.0)
    letters = make()
    await letters.wait_with(NAME, [f"{text} {number}" for number in range(10) for text in TEXTS])
    await letters.queue()
    await letters.submit()
    async with asyncio.timeout(20):
        while not (await model.stats()).batch_answered:
            await asyncio.sleep(0.02)
    await letters.cancel()
    await letters.cancel()  # again, after a crash
    await letters.collect()
    stats = await model.stats()
    assert 0 < stats.batch_answered < 10 * UNITS
    assert (await letters.use()).calls == stats.batch_answered


async def test_what_a_run_that_died_had_sent_answers_the_next_run(
    make: Make, model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = make(batch_lines=3)
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()

    async def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as killing:
        killing.setattr(PostgresBatchStore, "save_remote", die)
        with pytest.raises(Killed):
            await letters.submit()
    dead, letters.run_id = letters.run_id, uuid4()
    assert await letters.recover() == 1
    await letters.collect()
    assert (await letters.use(dead)).calls == 3
    await letters.rounds()
    assert (await letters.use()).calls == 2 * UNITS - 3
    assert (await model.stats()).repeats == 0


async def test_a_file_that_breaks_every_promise_stores_nothing_wrong(
    make: Make, model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = make()
    await letters.wait_with(NAME, TEXTS)
    await letters.queue()
    await letters.submit()
    key = await letters.pool.fetchval(
        "SELECT key FROM model_batch_questions WHERE run_id = $1 ORDER BY key", letters.run_id
    )
    body = b'{"choices": [{"message": {"content": "{}\\u0000"}, "finish_reason": "stop"}]}'
    line = b'{"custom_id": "%s", "response": {"status_code": 200, "body": %s}}\n'
    hostile = [
        b"no json\n",
        b"[]\n",
        b'{"custom_id": "../../etc"}\n',
        line % (b"0" * 64, body),  # nobody asked
        line % (key.hex().encode(), body),
        line % (key.hex().encode(), body),  # twice
        line % (key.hex().encode(), b'{"choices": [], "usage": {"prompt_tokens": -5}}'),
    ]

    async def lines(*_: object) -> AsyncGenerator[bytes]:
        for one in hostile:
            yield one

    with monkeypatch.context() as changed:
        changed.setattr(BatchClient, "lines", lines)
        await letters.collect()
    assert (await letters.use()).calls == 1
    waiting = await letters.pool.fetchval(
        "SELECT count(*) FROM model_batch_questions WHERE run_id = $1 AND batch IS NULL",
        letters.run_id,
    )
    assert waiting == UNITS - 1
