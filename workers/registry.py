"""Which workflows and activities a role runs, and how many at a time."""

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg
import psutil
from temporalio.client import Client
from temporalio.worker import (
    Interceptor,
    PollerBehaviorAutoscaling,
    UnsandboxedWorkflowRunner,
    Worker,
)

from activities.after import AfterEach
from activities.batch_questions import BatchQuestionActivities
from activities.communities import CommunityActivities
from activities.deletions import DeletionActivities
from activities.documents import DocumentActivities
from activities.embeddings import EmbeddingActivities
from activities.extraction import ExtractionActivities
from activities.failures import FailureInterceptor
from activities.graph import GraphActivities
from activities.heartbeats import note_retry
from activities.model_reports import ModelReportActivities
from activities.projections import ProjectionActivities
from activities.prompt_tuning import PromptTuningActivities
from activities.resolution import ResolutionActivities
from activities.runs import RunActivities
from activities.summaries import SummaryActivities
from activities.turns import TurnInterceptor
from activities.unknown import refuse_unknown
from graphmill.application.documents import Documents
from graphmill.application.runs import Runs
from graphmill.database_connections import CPU_AHEAD, PROJECTIONS_AT_ONCE
from graphmill.embedding import LocalEmbedder
from graphmill.llm.pool import Retried
from graphmill.model_endpoints import (
    open_later_caller,
    open_model_caller,
    open_model_embedder,
)
from graphmill.model_settings import ModelRole
from graphmill.process_pool import ProcessPool
from graphmill.processing import recipe
from graphmill.roles import Role
from graphmill.settings import Settings
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.collection_prompts import PostgresPromptStore
from graphmill.stores.postgres.database import is_transient
from graphmill.stores.postgres.deletion import PostgresDeletion
from graphmill.stores.postgres.embeddings import PostgresEmbeddingStore
from graphmill.stores.postgres.graph import PostgresGraphStore
from graphmill.stores.postgres.indexing import PostgresIndexingStore
from graphmill.stores.postgres.model_accounts import counting_known
from graphmill.stores.postgres.model_extractions import PostgresModelExtractionStore
from graphmill.stores.postgres.model_reports import PostgresModelReportStore
from graphmill.stores.postgres.options import PostgresOptionsStore
from graphmill.stores.postgres.projection_source import open_source
from graphmill.stores.postgres.projection_standings import PostgresProjectionStandings
from graphmill.stores.postgres.resolutions import PostgresResolutionStore
from graphmill.stores.postgres.status import PostgresRunStatus
from graphmill.stores.postgres.summaries import PostgresSummaryStore
from graphmill.stores.projected import has_projected_stores, open_projected_stores
from workers.models import open_batches, standard_options
from workflows.ask_in_batches import AskInBatches
from workflows.build_communities import BuildCommunities
from workflows.cancel_batches import CancelBatches
from workflows.delete_documents import DeleteDocuments
from workflows.index_collection import IndexCollection
from workflows.index_document import IndexDocument
from workflows.index_page import IndexPage
from workflows.policies import (
    CPU_QUEUE,
    DOCUMENT_QUEUE,
    EMBEDDING_QUEUE,
    LLM_QUEUE,
    PROJECTION_QUEUE,
    STORE_QUEUE,
    WORKFLOW_QUEUE,
)
from workflows.project_graph import ProjectGraph
from workflows.tune_prompts import TunePrompts

# Activities in flight get this long to end after SIGTERM; then they are cancelled and done again.
_DRAIN = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Served:
    """What a worker takes from a queue of its role."""

    queue: str
    workflows: Sequence[type] = ()
    cached_workflows: int = 0
    activities: Sequence[Callable[..., Any]] = ()
    concurrent_activities: int = 1
    interceptors: Sequence[Interceptor] = ()
    pollers: int = field(default=5)


@asynccontextmanager
async def open_workers(
    client: Client, pool: asyncpg.Pool, settings: Settings, roles: Sequence[Role]
) -> AsyncGenerator[list[Worker]]:
    """Workers for these roles, not yet running, with all that they need."""
    async with AsyncExitStack() as stack:
        workers: list[Worker] = []
        for role in roles:
            for serve in _SERVE[role]:
                served = await stack.enter_async_context(serve(pool, settings))
                workers.append(_worker(client, role, served))
        yield workers


def _worker(client: Client, role: Role, served: Served) -> Worker:
    return Worker(
        client,
        task_queue=served.queue,
        workflows=served.workflows,
        activities=served.activities,
        interceptors=[FailureInterceptor(is_transient), *served.interceptors],
        identity=f"{role}@{client.identity}",
        max_concurrent_activities=served.concurrent_activities,
        # The sandbox costs a third of a workflow's CPU to guard against what is not deterministic:
        # the tests run in it, and replay the histories of earlier releases.
        workflow_runner=UnsandboxedWorkflowRunner(),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(maximum=served.pollers),
        # After a restart all workflows are replayed at once; each must end within the SDK's 2 s.
        max_concurrent_workflow_tasks=10 if served.workflows else None,
        max_cached_workflows=served.cached_workflows,
        # A worker that was killed leaves tasks on its own queue; they move on after this.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=5),
        graceful_shutdown_timeout=_DRAIN,
    )


@asynccontextmanager
async def _workflow(pool: asyncpg.Pool, settings: Settings) -> AsyncGenerator[Served]:
    yield Served(
        WORKFLOW_QUEUE,
        workflows=(
            IndexCollection,
            IndexPage,
            IndexDocument,  # those that began before they had a queue of their own
            BuildCommunities,
            AskInBatches,
            CancelBatches,
            TunePrompts,
            ProjectGraph,
            DeleteDocuments,
        ),
        cached_workflows=500,
    )


@asynccontextmanager
async def _documents(pool: asyncpg.Pool, settings: Settings) -> AsyncGenerator[Served]:
    yield Served(DOCUMENT_QUEUE, workflows=(IndexDocument,))


@asynccontextmanager
async def _cpu(pool: asyncpg.Pool, settings: Settings) -> AsyncGenerator[Served]:
    processes = ProcessPool(
        settings.cpu_workers,
        settings.cpu_tasks_per_process,
        settings.limits.parse_memory_bytes,
        preload=("graphmill.processing_preload",),
    )
    indexing = PostgresIndexingStore(pool)
    documents = DocumentActivities(indexing, processes, settings.limits, recipe)
    try:
        async with _process_for_large() as large:
            communities = CommunityActivities(PostgresGraphStore(pool, settings.prune), large)
            yield Served(
                CPU_QUEUE,
                activities=(
                    documents.process_document,
                    communities.cluster_graph,
                    communities.write_reports,
                ),
                # A process that gets free finds work at hand.
                concurrent_activities=settings.cpu_workers + CPU_AHEAD,
            )
    finally:
        await processes.close()


@asynccontextmanager
async def _process_for_large() -> AsyncGenerator[ProcessPool]:
    """For one graph at a time, which is ours and may need what the machine has, where a document
    may not; a process that worked on a large one is not kept."""
    large = ProcessPool(1, 1, psutil.virtual_memory().total)
    try:
        yield large
    finally:
        await large.close()


@asynccontextmanager
async def _llm(pool: asyncpg.Pool, settings: Settings) -> AsyncGenerator[Served]:
    options = PostgresOptionsStore(pool)
    async with (
        _process_for_large() as large,
        counting_known(pool) as known,
        open_model_caller(pool, settings, _tell_retry, known.count) as caller,
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


def _tell_retry(retried: Retried) -> None:
    logging.getLogger(__name__).info("try %d: %s", retried.tries, retried.error)
    note_retry(str(retried.error))


@asynccontextmanager
async def _embedding(pool: asyncpg.Pool, settings: Settings) -> AsyncGenerator[Served]:
    async with (
        counting_known(pool) as known,
        open_model_embedder(pool, settings, _tell_retry, known.count) as model,
    ):
        activities = EmbeddingActivities(PostgresEmbeddingStore(pool), LocalEmbedder(), model)
        yield Served(
            EMBEDDING_QUEUE,
            activities=(activities.embed,),
            concurrent_activities=settings.embedding_concurrency,
            interceptors=(AfterEach(known.write), TurnInterceptor()),
        )


@asynccontextmanager
async def _store(pool: asyncpg.Pool, settings: Settings) -> AsyncGenerator[Served]:
    options = PostgresOptionsStore(pool)
    runs = RunActivities(
        PostgresIndexingStore(pool),
        options,
        PostgresPromptStore(pool),
        settings.chunk,
        standard_options(settings),
        recipe,
        settings.model_for(ModelRole.EMBEDDINGS),
        settings.priorities,
        priced=settings.priced(ModelRole.EXTRACTION, ModelRole.SUMMARIES, ModelRole.REPORTS),
        embeddings_priced=settings.priced(ModelRole.EMBEDDINGS),
    )
    graph = GraphActivities(
        PostgresGraphStore(pool, settings.prune),
        options,
        projected=has_projected_stores(settings),
    )
    deletions = DeletionActivities(PostgresDeletion(pool), partial(_runs, pool, settings))
    yield Served(
        STORE_QUEUE,
        activities=(
            runs.open_run,
            runs.record_run,
            runs.next_page,
            runs.fail_document,
            deletions.check_documents,
            deletions.delete_documents,
            deletions.start_run,
            graph.merge_graph,
            graph.open_graph,
            graph.fold_graph,
            graph.publish_graph,
        ),
        concurrent_activities=settings.store_concurrency,
    )


@asynccontextmanager
async def _projection(pool: asyncpg.Pool, settings: Settings) -> AsyncGenerator[Served]:
    async with open_projected_stores(settings) as stores:
        projections = ProjectionActivities(
            partial(open_source, pool), stores.all, PostgresProjectionStandings(pool)
        )
        yield Served(
            PROJECTION_QUEUE,
            activities=(projections.expect_projections, projections.project_to_store),
            concurrent_activities=PROJECTIONS_AT_ONCE,
        )


def _runs(pool: asyncpg.Pool, settings: Settings, client: Client) -> Runs:
    catalog = PostgresCatalog(pool)
    weights = settings.priorities.weights
    return Runs(client, catalog, Documents(catalog), PostgresRunStatus(pool), weights)


_SERVE = {
    Role.WORKFLOW: (_workflow, _documents),
    Role.CPU: (_cpu,),
    Role.LLM: (_llm,),
    Role.EMBEDDING: (_embedding,),
    Role.STORE: (_store,),
    Role.PROJECTION: (_projection,),
}
