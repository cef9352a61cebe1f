"""The one place where the core is wired: which store, which client, which algorithm goes where."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import asyncpg
from temporalio.client import Client

from graphmill.application.api_keys import ApiKeys
from graphmill.application.deletions import Deletions
from graphmill.application.documents import Collections, Documents
from graphmill.application.entities import Entities
from graphmill.application.exports import Exports
from graphmill.application.graphmill import Graphmill
from graphmill.application.graphs import Graphs
from graphmill.application.health import Health
from graphmill.application.idempotency import Idempotency
from graphmill.application.outages import tells_outages
from graphmill.application.pools import Pools
from graphmill.application.projections import Projections
from graphmill.application.prompts import Prompts
from graphmill.application.runs import Runs
from graphmill.application.schedules import Schedules
from graphmill.application.search import Search, SearchMode
from graphmill.database_connections import application_pools
from graphmill.embedded.home import Addresses
from graphmill.expected_workers import expected_workers
from graphmill.models import CollectionKey
from graphmill.projections.ports import Projection
from graphmill.settings import Settings
from graphmill.stores.postgres.api_keys import PostgresApiKeys, PostgresKeyring
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.collection_prompts import PostgresPromptStore
from graphmill.stores.postgres.dangling import count_dangling
from graphmill.stores.postgres.database import close_pool, open_pool, open_tenant_pool
from graphmill.stores.postgres.deletion import PostgresDeletion
from graphmill.stores.postgres.fleet_figures import PostgresFleetFigures
from graphmill.stores.postgres.folder_schedules import PostgresFolderSchedules
from graphmill.stores.postgres.graph_pages import PostgresGraphPages
from graphmill.stores.postgres.idempotency import PostgresIdempotency
from graphmill.stores.postgres.model_accounts import PostgresModelAccounts
from graphmill.stores.postgres.model_figures import PostgresModelFigures
from graphmill.stores.postgres.projection_source import open_source
from graphmill.stores.postgres.projection_standings import PostgresProjectionStandings
from graphmill.stores.postgres.status import PostgresRunStatus
from graphmill.stores.postgres.verdicts import PostgresVerdicts
from graphmill.stores.postgres.worker_pools import PostgresPoolStore
from graphmill.stores.projected import (
    ProjectedStores,
    has_projected_stores,
    open_projected_stores,
)
from graphmill.telemetry.temporal import tracing_plugins

# What a server that is gone keeps waiting at the end.
_CLOSE_SECONDS = 5.0


@asynccontextmanager
async def open_application(
    settings: Settings, addresses: Addresses, connections: int | None = None
) -> AsyncGenerator[Graphmill]:
    """The application over the servers at these addresses, for the time of a block, with so many
    connections to PostgreSQL at most; None: as many as the settings say.

    Neither server need answer yet: each is connected to when it is first needed, and again when it
    comes back. Where there is no address of Temporal, what needs it raises Unavailable.

    What it does is done for a tenant: within `graphmill.tenancy.acting_for`, or it finds nothing.
    """
    client = None
    if addresses.temporal_address is not None:
        client = await Client.connect(
            addresses.temporal_address,
            namespace=settings.temporal_namespace,
            lazy=True,
            plugins=tracing_plugins(),
        )
    # Whoever wires something new takes `pool`. `fleet` sees every tenant's rows, and is for what is
    # of no tenant, or of one that is not known yet: whether the tables are there, sums for
    # monitoring, how endpoints of models fare, whose an API key is.
    most = settings.database_connections
    of_tenants, of_fleet = application_pools(min(most, connections or most))
    pool = await open_tenant_pool(addresses.database_url, of_tenants)
    fleet = await open_pool(addresses.database_url, of_fleet)
    # What is opened with the first question that needs it.
    opened = AsyncExitStack()
    try:
        catalog = PostgresCatalog(pool)
        documents, status = Documents(catalog), PostgresRunStatus(pool)
        standings, stores = PostgresProjectionStandings(pool), _LateStores(settings, opened)
        yield Graphmill(
            keys=ApiKeys(PostgresApiKeys(pool), PostgresKeyring(fleet)),
            collections=Collections(catalog),
            documents=documents,
            deletions=Deletions(client, PostgresDeletion(pool)),
            entities=Entities(PostgresVerdicts(pool), status),
            prompts=Prompts(client, PostgresPromptStore(pool), PostgresModelAccounts(pool)),
            runs=Runs(client, catalog, documents, status, settings.priorities),
            schedules=Schedules(client, PostgresFolderSchedules(pool)),
            search=Search(partial(_load_search, pool, fleet, settings, stores, opened)),
            graphs=Graphs(PostgresGraphPages(pool)),
            idempotency=Idempotency(PostgresIdempotency(pool), PostgresIdempotency(fleet)),
            exports=Exports(partial(_export, pool)),
            projections=Projections(
                client,
                catalog,
                standings,
                partial(open_source, pool),
                partial(count_dangling, pool),
                stores.all,
                stores_set=has_projected_stores(settings),
            ),
            health=Health(client, fleet),
            pools=Pools(client, PostgresPoolStore(fleet), expected_workers(settings.deployment)),
            model_figures=tells_outages(PostgresModelFigures(fleet).load),
            fleet_figures=tells_outages(PostgresFleetFigures(fleet).load),
            projection_figures=tells_outages(PostgresProjectionStandings(fleet).figures),
        )
    finally:
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await opened.aclose()
        finally:
            await asyncio.gather(close_pool(pool), close_pool(fleet))


class _LateStores:
    """Opened when they are first needed: most commands never need them, and their clients take
    longer to load than those take."""

    def __init__(self, settings: Settings, opened: AsyncExitStack) -> None:
        self._settings = settings
        self._opened = opened
        self._opening = asyncio.Lock()
        self._stores: ProjectedStores | None = None

    async def open(self) -> ProjectedStores:
        async with self._opening:
            if self._stores is None:
                self._stores = await self._opened.enter_async_context(
                    open_projected_stores(self._settings)
                )
        return self._stores

    async def open_searched(self) -> ProjectedStores:
        """Those that search reads."""
        stores = await self.open()
        return stores if self._settings.neo4j_search else replace(stores, graph=None)

    async def all(self) -> tuple[Projection, ...]:
        return (await self.open()).all


def _load_search(
    pool: asyncpg.Pool,
    fleet: asyncpg.Pool,
    settings: Settings,
    stores: _LateStores,
    opened: AsyncExitStack,
) -> dict[str, SearchMode]:
    # Imported at the first question: most commands would only wait for numpy and the embedder.
    from graphmill.embedding import LocalEmbedder
    from graphmill.question_vectors import EndpointQuestionVectors
    from graphmill.search import (
        SearchEmbedder,
        basic_search,
        local_search,
        rank_basically,
        rank_locally,
    )
    from graphmill.stores.postgres.search import PostgresSearchStore
    from graphmill.stores.projected_search import ProjectedSearchStore

    by_model = EndpointQuestionVectors(fleet, pool, settings)
    opened.push_async_callback(by_model.close)
    embedder = SearchEmbedder(LocalEmbedder(), by_model)
    store = PostgresSearchStore(pool)
    if settings.qdrant_url is not None or settings.neo4j_search:
        store = ProjectedSearchStore(store, stores.open_searched)
    return {
        "local": SearchMode(
            partial(local_search, store, embedder), partial(rank_locally, store, embedder)
        ),
        "basic": SearchMode(
            partial(basic_search, store, embedder), partial(rank_basically, store, embedder)
        ),
    }


async def _export(
    pool: asyncpg.Pool, key: CollectionKey, folder: Path, format: str
) -> dict[str, int]:
    # Imported when it is needed, for the same reason: pyarrow.
    from graphmill.export import export_collection
    from graphmill.stores.postgres.export import PostgresExportStore

    return await export_collection(PostgresExportStore(pool), key, folder, format)
