"""What only reads and writes PostgreSQL."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import asyncpg
from temporalio.client import Client

from activities.deletions import DeletionActivities
from activities.folders import FolderActivities
from activities.graph import GraphActivities
from activities.runs import RunActivities
from graphmill.application.deletions import Deletions
from graphmill.application.documents import Documents
from graphmill.application.folder_uploads import FolderUploads
from graphmill.application.runs import Runs
from graphmill.database_connections import FOLDERS_AT_ONCE
from graphmill.model_settings import ModelRole
from graphmill.processing import recipe
from graphmill.settings import Settings
from graphmill.standard_settings import standard_options
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.collection_prompts import PostgresPromptStore
from graphmill.stores.postgres.deletion import PostgresDeletion
from graphmill.stores.postgres.folder_schedules import PostgresFolderSchedules
from graphmill.stores.postgres.graph import PostgresGraphStore
from graphmill.stores.postgres.indexing import PostgresIndexingStore
from graphmill.stores.postgres.options import PostgresOptionsStore
from graphmill.stores.postgres.status import PostgresRunStatus
from graphmill.stores.projected import has_projected_stores
from workers.served import Served
from workflows.queues import FOLDER_QUEUE, STORE_QUEUE


@asynccontextmanager
async def serve_store(pool: asyncpg.Pool, settings: Settings) -> AsyncGenerator[Served]:
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
    folders = _folder_activities(pool, settings)
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
            folders.upload_folder,  # those that waited here before they had a queue of their own
            folders.start_folder_run,
            graph.merge_graph,
            graph.open_graph,
            graph.fold_graph,
            graph.publish_graph,
        ),
        concurrent_activities=settings.store_concurrency,
    )


@asynccontextmanager
async def serve_folders(pool: asyncpg.Pool, settings: Settings) -> AsyncGenerator[Served]:
    yield Served(
        FOLDER_QUEUE,
        activities=(_folder_activities(pool, settings).upload_folder,),
        concurrent_activities=FOLDERS_AT_ONCE,
    )


def _folder_activities(pool: asyncpg.Pool, settings: Settings) -> FolderActivities:
    return FolderActivities(partial(_folders, pool, settings))


def _runs(pool: asyncpg.Pool, settings: Settings, client: Client) -> Runs:
    catalog = PostgresCatalog(pool)
    status = PostgresRunStatus(pool)
    return Runs(client, catalog, Documents(catalog), status, settings.priorities)


def _folders(pool: asyncpg.Pool, settings: Settings, client: Client) -> FolderUploads:
    return FolderUploads(
        PostgresFolderSchedules(pool),
        Documents(PostgresCatalog(pool)),
        Deletions(client, PostgresDeletion(pool)),
        _runs(pool, settings, client),
        settings.limits.document_bytes,
    )
