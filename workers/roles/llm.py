"""Whatever asks a model for text."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg

from activities.after import AfterEach
from activities.batch_questions import BatchQuestionActivities
from activities.batches import BatchActivities
from activities.extraction import ExtractionActivities
from activities.model_reports import ModelReportActivities
from activities.prompt_tuning import PromptTuningActivities
from activities.resolution import ResolutionActivities
from activities.summaries import SummaryActivities
from activities.turns import TurnInterceptor
from activities.unknown import refuse_unknown
from graphmill.embedding import LocalEmbedder
from graphmill.llm.batch_sending import BatchSender
from graphmill.model_endpoints import (
    answer_expiry,
    open_batch_endpoints,
    open_later_caller,
    open_model_caller,
)
from graphmill.model_settings import ModelRole
from graphmill.processing import recipe
from graphmill.settings import Settings
from graphmill.stores.postgres.collection_prompts import PostgresPromptStore
from graphmill.stores.postgres.model_accounts import PostgresModelAccounts, counting_known
from graphmill.stores.postgres.model_batches import PostgresBatchStore
from graphmill.stores.postgres.model_extractions import PostgresModelExtractionStore
from graphmill.stores.postgres.model_manners import PostgresManners
from graphmill.stores.postgres.model_reports import PostgresModelReportStore
from graphmill.stores.postgres.options import PostgresOptionsStore
from graphmill.stores.postgres.resolutions import PostgresResolutionStore
from graphmill.stores.postgres.session_locks import SessionLocks
from graphmill.stores.postgres.summaries import PostgresSummaryStore
from workers.roles.large_process import process_for_large
from workers.roles.retries import tell_retry
from workers.served import Served
from workflows.queues import LLM_QUEUE


@asynccontextmanager
async def serve_llm(pool: asyncpg.Pool, settings: Settings) -> AsyncGenerator[Served]:
    options = PostgresOptionsStore(pool)
    async with (
        process_for_large() as large,
        counting_known(pool) as known,
        open_model_caller(pool, settings, tell_retry, known.count) as caller,
        open_later_caller(pool, settings) as later,
        open_batches(pool, settings) as batches,
    ):
        extractions, summarized = PostgresModelExtractionStore(pool), PostgresSummaryStore(pool)
        reported = PostgresModelReportStore(pool)
        extraction = ExtractionActivities(extractions, options, caller, recipe)
        resolution = ResolutionActivities(
            PostgresResolutionStore(pool), options, caller, LocalEmbedder(), large
        )
        summaries = SummaryActivities(summarized, options, caller)
        reports = ModelReportActivities(reported, options, caller)
        questions = BatchQuestionActivities(
            ExtractionActivities(extractions, options, later, recipe),
            SummaryActivities(summarized, options, later),
            ModelReportActivities(reported, options, later),
        )
        tuning = PromptTuningActivities(
            PostgresPromptStore(pool),
            caller,
            settings.model_for(ModelRole.EXTRACTION) if settings.answers_text else None,
            settings.extraction,
            priced=settings.priced(ModelRole.EXTRACTION),
        )
        yield Served(
            LLM_QUEUE,
            activities=(
                extraction.extract_document,
                resolution.resolve_entities,
                summaries.summarize_descriptions,
                reports.write_model_reports,
                tuning.draft_prompts,
                questions.queue_extractions,
                questions.queue_summaries,
                questions.queue_reports,
                batches.recover_batches,
                batches.submit_batches,
                batches.collect_batches,
                batches.cancel_batches,
                refuse_unknown,
            ),
            concurrent_activities=settings.llm_concurrency,
            # A run that ends tells all that its activities were spared.
            interceptors=(AfterEach(known.write), TurnInterceptor()),
        )


@asynccontextmanager
async def open_batches(pool: asyncpg.Pool, settings: Settings) -> AsyncGenerator[BatchActivities]:
    """
    Raises:
        SettingsError: a variable that is to hold a key is not set.
    """
    assert settings.database_url is not None  # the pool is of that
    async with open_batch_endpoints(settings) as endpoints:
        locks, memory = SessionLocks(settings.database_url), PostgresManners(pool)
        store = PostgresBatchStore(pool, locks, answer_expiry(settings))
        sender = BatchSender(
            store,
            endpoints,
            memory,
            PostgresModelAccounts(pool),
            settings.batch_lines,
            settings.batch_bytes,
        )
        yield BatchActivities(store, endpoints, memory, sender)
