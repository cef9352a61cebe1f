"""A collection that asks in batches: stores, activities and HTTP are real, the model is simulated.

A worker that dies is one whose objects are left where they stood; the next has its own.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from temporalio.testing import ActivityEnvironment

from activities.batch_questions import BatchQuestionActivities
from activities.batches import BatchActivities
from activities.extraction import ExtractionActivities
from activities.model_reports import ModelReportActivities
from activities.summaries import SummaryActivities
from graphmill.batch_messages import (
    BatchProgress,
    BatchRun,
    CollectBatches,
    QueueExtractions,
)
from graphmill.ids import document_id
from graphmill.index_request import IndexRequest
from graphmill.llm import batch_sending
from graphmill.messages import IndexDocumentInput, IndexDocumentResult, OpenRun
from graphmill.model_endpoints import open_later_caller, open_model_caller
from graphmill.model_settings import EndpointSettings
from graphmill.models import Method
from graphmill.processing import recipe
from graphmill.run_status import ModelUse
from graphmill.settings import load_settings
from graphmill.stores.postgres.indexing import PostgresIndexingStore
from graphmill.stores.postgres.model_accounts import PostgresModelAccounts, counting_known
from graphmill.stores.postgres.model_batches import PostgresBatchStore
from graphmill.stores.postgres.model_extractions import PostgresModelExtractionStore
from graphmill.stores.postgres.model_reports import PostgresModelReportStore
from graphmill.stores.postgres.options import PostgresOptionsStore
from graphmill.stores.postgres.session_locks import SessionLocks
from graphmill.stores.postgres.summaries import PostgresSummaryStore
from tests.contracts.extracting import ModelCollection
from tests.support.model_endpoint import ModelEndpoint
from workers.roles.llm import open_batches

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


async def die(*_: object) -> None:
    raise Killed


class BatchedCollection(ModelCollection):
    """A collection whose text units wait, and workers that ask for them in batches."""

    def __init__(
        self, pool: asyncpg.Pool, endpoint: ModelEndpoint, database_url: str, **settings: Any
    ) -> None:
        super().__init__(pool, endpoint, database_url)
        self.base_url = endpoint.base_url
        self.endpoint = "simulated"
        self.settings = settings
        self._kept: Worker | None = None

    @property
    def run(self) -> BatchRun:
        return BatchRun(self.key, self.run_id)

    @property
    def store(self) -> PostgresBatchStore:
        """Of another worker."""
        return PostgresBatchStore(self.pool, SessionLocks(self._database_url))

    @asynccontextmanager
    async def worker(self) -> AsyncGenerator[Worker]:
        if self._kept is not None:
            yield self._kept
            return
        given = EndpointSettings(
            name=self.endpoint, base_url=self.base_url, prompt_price=0, completion_price=1000
        )
        settings = load_settings(
            {"endpoints": (given,), "database_url": self._database_url, **self.settings}
        )
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

    async def die_submitting(self, owner: type, method: str) -> None:
        """Of a worker that gets as far as this method."""
        with pytest.MonkeyPatch.context() as killing:
            killing.setattr(owner, method, die)
            with pytest.raises(Killed):
                await self.submit()

    async def cancel(self) -> None:
        async with self.worker() as worker:
            await ActivityEnvironment().run(worker.batches.cancel_batches, self.run)

    async def collect(self) -> None:
        """Until no batch is open."""
        async with self.worker() as worker, asyncio.timeout(20):
            asked = CollectBatches(self.run)
            while (await ActivityEnvironment().run(worker.batches.collect_batches, asked)).open:
                await asyncio.sleep(0.02)

    async def look(self, attempt: int = 1) -> BatchProgress:
        """Once, as in this attempt of the activity."""
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, attempt=attempt)
        async with self.worker() as worker:
            return await environment.run(worker.batches.collect_batches, CollectBatches(self.run))

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
    monkeypatch.setattr(batch_sending, "_LISTED_WITHIN", 1.0)
    monkeypatch.setattr(batch_sending, "_LOOK_EVERY", 0.05)
    await model.change(batch_seconds=0.05)

    def make(**settings: Any) -> BatchedCollection:
        return BatchedCollection(pool, model, database_url, **settings)

    return make
