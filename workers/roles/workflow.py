"""Workflows, which wait for what all others do."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg

from graphmill.settings import Settings
from workers.served import Served
from workflows.ask_in_batches import AskInBatches
from workflows.build_communities import BuildCommunities
from workflows.cancel_batches import CancelBatches
from workflows.delete_documents import DeleteDocuments
from workflows.index_collection import IndexCollection
from workflows.index_document import IndexDocument
from workflows.index_folder import IndexFolder
from workflows.index_page import IndexPage
from workflows.project_graph import ProjectGraph
from workflows.queues import DOCUMENT_QUEUE, WORKFLOW_QUEUE
from workflows.tune_prompts import TunePrompts
from workflows.unknown_type import UnknownType

WORKFLOWS = (
    IndexCollection,
    IndexPage,
    IndexDocument,  # those that began before they had a queue of their own
    BuildCommunities,
    AskInBatches,
    CancelBatches,
    TunePrompts,
    ProjectGraph,
    DeleteDocuments,
    IndexFolder,
)


@asynccontextmanager
async def serve_workflows(pool: asyncpg.Pool, settings: Settings) -> AsyncGenerator[Served]:
    # On this queue alone, since it is where people are told to start them.
    yield Served(WORKFLOW_QUEUE, workflows=(*WORKFLOWS, UnknownType), cached_workflows=500)


@asynccontextmanager
async def serve_documents(pool: asyncpg.Pool, settings: Settings) -> AsyncGenerator[Served]:
    yield Served(DOCUMENT_QUEUE, workflows=(IndexDocument,))
