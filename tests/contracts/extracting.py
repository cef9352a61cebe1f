"""A collection whose text units wait for a model, and a worker that asks an endpoint over HTTP."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import asyncpg
from temporalio.testing import ActivityEnvironment

from activities.extraction import ExtractionActivities
from graphmill.ids import document_id, text_unit_id
from graphmill.llm.caller import ModelCaller
from graphmill.messages import (
    GraphRef,
    IndexDocumentInput,
    IndexDocumentResult,
    Recipe,
)
from graphmill.model_endpoints import open_model_caller
from graphmill.models import (
    CollectionKey,
    Method,
    ParsedDocument,
    ProcessedDocument,
    TextUnit,
)
from graphmill.processing import reading, recipe
from graphmill.settings import load_settings
from graphmill.standard.options import StandardOptions
from graphmill.stores.postgres.indexing import PostgresIndexingStore
from graphmill.stores.postgres.model_extractions import PostgresModelExtractionStore
from graphmill.stores.postgres.options import PostgresOptionsStore
from tests.contracts.collections import upload
from tests.contracts.resolving import resolve
from tests.support.model_endpoint import ModelEndpoint

OPTIONS = StandardOptions("a-model", "a-model", "a-model")
WITH_CLAIMS = replace(OPTIONS, claim_description="who wrote to whom")


class ModelCollection:
    """Documents wait, each as the text units that a test says."""

    def __init__(self, pool: asyncpg.Pool, endpoint: ModelEndpoint, database_url: str) -> None:
        self.options = OPTIONS
        # A tenant of its own: what others have paid for answers nothing here.
        self.key = CollectionKey(f"tenant-{uuid4()}", "extracted")
        self.run_id = uuid4()
        self.pool = pool
        self._endpoint = endpoint
        self._database_url = database_url

    @property
    def recipe(self) -> Recipe:
        options = self.options
        return Recipe(
            Method.STANDARD,
            1200,
            100,
            options.digest,
            options.extraction_digest,
            options.claims_digest,
        )

    async def wait_with(self, name: str, texts: Sequence[str]) -> None:
        await upload(self.pool, {name: "\n".join(texts).encode()}, self.key)
        store = PostgresIndexingStore(self.pool)
        await store.next_page(self.key, 0, 10)
        stored = await store.load_document(self.key, document_id(name))
        assert stored is not None
        id = stored.id
        units = tuple(
            TextUnit(text_unit_id(id, position, text), id, position, text, 10)
            for position, text in enumerate(texts)
        )
        document = ProcessedDocument(ParsedDocument("txt", name, "\n".join(texts)), units, ())
        await self._save_options()
        read_by = reading(self.recipe, stored.version)
        assert await store.save_processed(self.key, stored, document, read_by, None)

    async def wait_again(self, name: str) -> None:
        """Whatever it was ended by, as where a run reads by other options."""
        await self.pool.execute(
            "UPDATE documents SET state = 'pending' WHERE tenant = $1 AND collection = $2"
            " AND name = $3",
            self.key.tenant,
            self.key.name,
            name,
        )

    async def extract(self, name: str) -> IndexDocumentResult:
        await self._save_options()  # a test may have changed them
        async with self._activities() as activities:
            input = IndexDocumentInput(self.key, self.recipe, document_id(name), self.run_id)
            return await ActivityEnvironment().run(activities.extract_document, input)

    async def resolve(self) -> dict[str, str]:
        """Which titles go into another, in a new graph."""
        graph_id = await self.pool.fetchval(
            "INSERT INTO graphs (tenant, collection, digest) VALUES ($1, $2, '') RETURNING id",
            self.key.tenant,
            self.key.name,
        )
        async with self._caller() as caller:
            graph = GraphRef(self.key, graph_id, self.run_id, self.options.digest)
            await resolve(self.pool, caller, graph)
        rows = await self.pool.fetch(
            "SELECT title, canonical FROM entity_resolutions WHERE graph_id = $1", graph_id
        )
        return {row["title"]: row["canonical"] for row in rows}

    async def _save_options(self) -> None:
        await PostgresOptionsStore(self.pool).save_options(self.key, self.options)

    async def rows(self, table: str = "model_extractions") -> list[asyncpg.Record]:
        """Or of claim_extractions; by position."""
        return await self.pool.fetch(
            f"SELECT e.*, t.text FROM {table} e JOIN text_units t"
            " ON t.tenant = e.tenant AND t.collection = e.collection AND t.id = e.text_unit_id"
            " WHERE e.tenant = $1 AND e.collection = $2 ORDER BY t.position",
            self.key.tenant,
            self.key.name,
        )

    @asynccontextmanager
    async def _caller(self) -> AsyncGenerator[ModelCaller]:
        settings = load_settings(
            {
                "database_url": self._database_url,
                "openai_base_url": self._endpoint.base_url,
                "openai_model": "a-model",
            }
        )
        async with open_model_caller(self.pool, settings, lambda _: None) as caller:
            yield caller

    @asynccontextmanager
    async def _activities(self) -> AsyncGenerator[ExtractionActivities]:
        async with self._caller() as caller:
            yield ExtractionActivities(
                PostgresModelExtractionStore(self.pool),
                PostgresOptionsStore(self.pool),
                caller,
                recipe,
            )
