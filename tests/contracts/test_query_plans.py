"""Statements that come often, or where there are millions of rows, find what they want by an index.

They are explained as the code runs them (tests/support/explained.py), over tables of twenty
collections: small enough to fill in seconds, and large enough that reading all of one costs more
than an index does.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
import pytest

from graphmill.embedded.postgres_server import DATABASE, PostgresServer
from graphmill.ids import document_id
from graphmill.llm.calls import Payer
from graphmill.messages import COMMUNITY_FULL_CONTENT, ENTITY_DESCRIPTION, TEXT_UNIT_TEXT
from graphmill.models import DocumentState
from graphmill.projections.records import GRAPH, VECTORS, Kind
from graphmill.settings import PruneSettings
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.database import open_pool, open_tenant_pool
from graphmill.stores.postgres.deletion import PostgresDeletion
from graphmill.stores.postgres.embeddings import PostgresEmbeddingStore
from graphmill.stores.postgres.graph import PostgresGraphStore
from graphmill.stores.postgres.indexing import PostgresIndexingStore
from graphmill.stores.postgres.model_calls import PostgresCallStore
from graphmill.stores.postgres.model_extractions import PostgresModelExtractionStore
from graphmill.stores.postgres.projection_source import PostgresProjectionSource
from graphmill.stores.postgres.published import published_graph
from graphmill.stores.postgres.search import PostgresSearchStore
from graphmill.stores.postgres.status import PostgresRunStatus
from graphmill.tenancy import acting_for
from tests.contracts.collections import READ_BY, RECIPE, processed, upload
from tests.support.explained import Plan, explaining
from tests.support.filled_tables import Shape, fill, key_of

# Tables with rows of all collections and much of it. Any other has a row a collection, a run or an
# endpoint, or is empty here.
_LARGE = frozenset(
    "contents documents parsed_documents text_units extractions model_extractions graph_documents"
    " graph_text_units entities relationships communities community_reports vectors text_vectors"
    " model_calls".split()
)
_SHAPE = Shape()
_KEY = key_of(7)
_NIL = UUID(int=0)
_VECTOR = [0.5] * _SHAPE.dimensions


@pytest.fixture(scope="module")
def filled_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database of twenty collections; tests change the seventh a little."""

    async def admin(statement: str, database: str = "postgres") -> None:
        async with _administering(postgres_server, database) as connection:
            await connection.execute(statement)

    async def make() -> None:
        await admin(f"CREATE DATABASE filled TEMPLATE {DATABASE} OWNER graphmill")
        async with _administering(postgres_server, "filled") as connection:
            await fill(connection, _SHAPE)

    asyncio.run(make())
    yield postgres_server.url.replace(f"/{DATABASE}?", "/filled?")
    asyncio.run(admin("DROP DATABASE filled WITH (FORCE)"))


@asynccontextmanager
async def _administering(
    server: PostgresServer, database: str
) -> AsyncGenerator[asyncpg.Connection]:
    connection = await asyncpg.connect(
        host=str(server.socket_folder), user="postgres", database=database
    )
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def filled(filled_url: str) -> AsyncIterator[asyncpg.Pool]:
    """One connection: what it did is in the server's statistics when it says so."""
    pool = await open_pool(filled_url, 1)
    yield pool
    await pool.close()


@pytest.fixture
async def seen_by_tenant(filled_url: str) -> AsyncIterator[asyncpg.Pool]:
    """What the API and the commands have: under the policies, acting for the seventh."""
    pool = await open_tenant_pool(filled_url, 1)
    with acting_for(_KEY.tenant):
        yield pool
    await pool.close()


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Plan]]:
    """Of what the test runs; at its end, none of them reads all rows of a large table."""
    with explaining(monkeypatch) as explained:
        yield explained
    assert explained
    for plan in explained:
        assert not plan.scanned & _LARGE, plan
        # An index that is read from its first entry to its last is no better.
        assert all(plan.indexes.values()), plan


def _by(plans: list[Plan], index: str, *columns: str) -> None:
    """An index is searched by these columns, whether or not the plan knows the parameters."""
    for generic in (False, True):
        conditions = [
            plan.indexes[index]
            for plan in plans
            if plan.generic is generic and index in plan.indexes
        ]
        assert any(
            all(f"{column} " in condition.replace(")", " ") for column in columns)
            for condition in conditions
        ), f"{index} by {columns}, generic {generic}: {conditions}"


async def _graph_id(pool: asyncpg.Pool) -> int:
    return await pool.fetchval(
        "SELECT graph_id FROM collections WHERE tenant = $1 AND name = $2", _KEY.tenant, _KEY.name
    )


async def test_documents_wait_and_are_stored(filled: asyncpg.Pool, plans: list[Plan]) -> None:
    store = PostgresIndexingStore(filled)
    await upload(filled, {"new.md": b"new"}, _KEY)
    page = await store.next_page(_KEY, 0, 100)
    assert page.documents
    _by(plans, "documents_waiting", "tenant", "collection", "queue_position")
    _by(plans, "documents_by_state", "tenant", "collection", "state")
    _by(plans, "documents_by_version", "tenant", "collection", "version")
    stored = await store.load_document(_KEY, document_id("new.md"))
    assert stored is not None
    _by(plans, "documents_pkey", "tenant", "collection", "id")
    await store.load_content(_KEY, stored.version)
    _by(plans, "contents_pkey", "tenant", "collection", "version")
    found = processed("new.md", [{("ADA", "BOB"): 1}])
    assert await store.save_processed(_KEY, stored, found, READ_BY, RECIPE)
    _by(plans, "text_units_by_document", "tenant", "collection", "document_id")


async def test_text_units_without_an_extraction(filled: asyncpg.Pool, plans: list[Plan]) -> None:
    store = PostgresModelExtractionStore(filled)
    document = await filled.fetchval(
        "SELECT id FROM documents WHERE tenant = $1 AND collection = $2 AND state = 'done'"
        " AND name > 'folder/000003' LIMIT 1",
        _KEY.tenant,
        _KEY.name,
    )
    plans.clear()
    assert len(await store.unextracted(_KEY, document, "other")) == _SHAPE.text_units
    _by(plans, "text_units_by_document", "tenant", "collection", "document_id")
    _by(plans, "model_extractions_pkey", "tenant", "collection")


async def test_texts_without_a_vector(filled: asyncpg.Pool, plans: list[Plan]) -> None:
    store, graph_id = PostgresEmbeddingStore(filled), await _graph_id(filled)
    for vector_index, index, id in (
        (TEXT_UNIT_TEXT, "graph_text_units_pkey", "text_unit_id"),
        (ENTITY_DESCRIPTION, "entities_by_embedding", "embedding_id"),
        (COMMUNITY_FULL_CONTENT, "community_reports_by_embedding", "embedding_id"),
    ):
        plans.clear()
        assert await store.unembedded(_KEY, graph_id, vector_index, "other", _NIL, 500)
        _by(plans, index, "graph_id", id)
        _by(plans, "vectors_pkey", "tenant", "collection", "vector_index", "model")
    plans.clear()
    assert not await store.unembedded(_KEY, graph_id, TEXT_UNIT_TEXT, "", _NIL, 500)
    # Where all have one, indexes alone say so.
    for plan in plans:
        read = {n["Relation Name"]: n["Node Type"] for n in plan.nodes if "Relation Name" in n}
        assert read["vectors"] == read["graph_text_units"] == "Index Only Scan", plan


async def test_search(seen_by_tenant: asyncpg.Pool, plans: list[Plan]) -> None:
    async with PostgresSearchStore(seen_by_tenant).snapshot(_KEY) as graph:
        assert graph is not None
        words = await graph.match_words(["word300", "word500"], 50)
        assert words.total == _SHAPE.documents * _SHAPE.text_units
        assert words.words_of
        plans.clear()
        nearest = list(await graph.nearest_text_units("", _VECTOR, 2))
        _by(plans, "vectors_pkey", "tenant", "collection", "vector_index", "model")
        plans.clear()
        assert await graph.similarities("", _VECTOR, nearest)
        _by(plans, "vectors_pkey", "tenant", "collection", "vector_index", "model", "id")
        assert await graph.passages(nearest)
        _by(plans, "text_units_pkey", "tenant", "collection", "id")
        _by(plans, "parsed_documents_pkey", "tenant", "collection")
        plans.clear()
        assert await graph.entities_by_title(["ENTITY 3"])
        _by(plans, "entities_by_title", "graph_id", "title")
        plans.clear()
        assert await graph.nearest_entities("", _VECTOR, 10)
        _by(plans, "entities_by_embedding", "graph_id", "embedding_id")
        _by(plans, "vectors_pkey", "tenant", "collection", "vector_index", "model")
        plans.clear()
        assert await graph.mentioned_entities(nearest, 50)
        _by(plans, "entities_pkey", "graph_id", "id")


async def test_words_are_looked_up_in_their_index_under_a_policy(
    filled: asyncpg.Pool, seen_by_tenant: asyncpg.Pool
) -> None:
    """Once each, by a function, whose plan nobody is told."""
    before = await _looked_up(filled, "text_units_by_terms"), await _sequential_scans(filled)
    async with PostgresSearchStore(seen_by_tenant).snapshot(_KEY) as graph:
        assert graph is not None
        assert (await graph.match_words(["word300", "word500"], 50)).words_of
    await seen_by_tenant.execute("SELECT pg_stat_force_next_flush()")
    after = await _looked_up(filled, "text_units_by_terms"), await _sequential_scans(filled)
    assert after == (before[0] + 2, before[1])


async def _looked_up(pool: asyncpg.Pool, index: str) -> int:
    return await pool.fetchval(
        "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = $1", index
    )


async def test_what_people_look_at(seen_by_tenant: asyncpg.Pool, plans: list[Plan]) -> None:
    catalog, status = PostgresCatalog(seen_by_tenant), PostgresRunStatus(seen_by_tenant)
    assert len(await catalog.list_documents(_KEY, limit=20)) == 20
    _by(plans, "text_units_by_document", "tenant", "collection", "document_id")
    await catalog.list_documents(_KEY, state=DocumentState.FAILED)
    summary = await catalog.show_collection(_KEY)
    assert summary.text_units == _SHAPE.documents * _SHAPE.text_units
    run_id = await status.find_run(_KEY.tenant, _KEY.name)
    _by(plans, "runs_by_collection", "tenant", "collection")
    assert (await status.status(run_id)).entities == _SHAPE.entities
    _by(plans, "runs_pkey", "id")


async def test_a_graph_is_folded_and_published(filled: asyncpg.Pool, plans: list[Plan]) -> None:
    store = PostgresGraphStore(filled, PruneSettings(min_node_freq=1))
    merged = await store.merge_graph(_KEY, "versions", afresh=True)
    assert merged.graph_id is not None
    units, found = (
        next(p for p in plans if f"TEMP TABLE {table} " in p.statement)
        for table in ("units", "found")
    )
    # One by one or in one go, but of this collection.
    assert any(name.startswith("text_units_") for name in units.indexes)
    assert "tenant = " in found.indexes["extractions_pkey"]
    published = await _graph_id(filled)
    assert await store.unreported(published, 3, 10, 1000) == ()
    _by(plans, "communities_pkey", "graph_id", "community")
    _by(plans, "community_reports_pkey", "graph_id")
    await store.load_for_clustering(merged.graph_id)
    plans.clear()
    await store.publish_graph(_KEY, merged.graph_id, "")
    _by(plans, "text_units_retired", "tenant", "collection")
    looked_at = [plan for plan in plans if "FROM vectors" in plan.statement]
    assert len(looked_at) > 3
    for plan in looked_at:
        # Rows are read of what goes alone; the rest is a look into indexes.
        read = {n["Node Type"] for n in plan.nodes if n.get("Relation Name") == "vectors"}
        assert read <= {"ModifyTable", "Index Only Scan", "Index Scan"}, plan
        scans = [n for n in plan.nodes if n["Node Type"] == "Index Scan"]
        whole = [n["Index Cond"] for n in scans if n["Relation Name"] == "vectors"]
        assert all(" id = " in f" {condition.replace('(', '')}" for condition in whole), plan
        # Though the planner may take a table that was filled just now for small.
        if "NOT EXISTS" in plan.statement:
            assert "Nested Loop" not in {n["Node Type"] for n in plan.nodes}, plan


async def test_records_of_projections_are_read_by_their_ids(
    filled: asyncpg.Pool, plans: list[Plan]
) -> None:
    async with published_graph(filled, key_of(5)) as (connection, graph_id):
        assert graph_id is not None
        source = PostgresProjectionSource(connection, graph_id, "", model="")
        kinds = [kind for kind in (*GRAPH, *VECTORS) if kind is not Kind.COVARIATE]
        ids = {kind: [id async for id, _ in source.digests(kind)][:3] for kind in kinds}
        plans.clear()  # those read all that a graph has
        for kind in kinds:
            assert len(await source.records(kind, ids[kind])) == 3, kind
    _by(plans, "graph_documents_pkey", "graph_id", "document_id")
    _by(plans, "graph_text_units_pkey", "graph_id", "text_unit_id")
    _by(plans, "entities_pkey", "graph_id", "id")
    _by(plans, "relationships_pkey", "graph_id", "id")
    _by(plans, "communities_by_id", "graph_id", "id")
    _by(plans, "vectors_pkey", "tenant", "collection", "vector_index", "model", "id")


async def _sequential_scans(pool: asyncpg.Pool) -> dict[str, int]:
    """How often each table was read whole, by functions, triggers and foreign keys too."""
    await pool.execute("SELECT pg_stat_force_next_flush()")
    rows = await pool.fetch("SELECT relname, seq_scan FROM pg_stat_user_tables")
    return {row["relname"]: row["seq_scan"] for row in rows if row["relname"] in _LARGE}


async def test_questions_to_a_model_look_at_their_own_answers(filled: asyncpg.Pool) -> None:
    store = PostgresCallStore(filled, uuid4())
    before = await _sequential_scans(filled)
    await store.claim(Payer(_KEY, None, "extract_graph"), b"unknown")
    assert await _sequential_scans(filled) == before
    await store.aclose()


async def test_what_hangs_on_documents_and_collections_is_deleted_by_its_keys(
    filled: asyncpg.Pool,
) -> None:
    catalog, key = PostgresCatalog(filled), key_of(11)
    some = await catalog.list_documents(key, limit=3)
    before = await _sequential_scans(filled)
    assert await PostgresDeletion(filled).delete(key, [document.id for document in some]) == 3
    await catalog.delete_collection(key)
    assert await _sequential_scans(filled) == before
    assert not await filled.fetchval(
        "SELECT EXISTS (SELECT FROM text_units WHERE tenant = $1)", key.tenant
    )


async def test_an_index_that_is_missing_is_noticed(
    filled: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with explaining(monkeypatch) as plans:
        await filled.fetch("SELECT FROM model_extractions WHERE made_by = $1", "other")
        await filled.fetch("SELECT FROM model_extractions WHERE tenant = $1", _KEY.tenant)
    assert [plan.scanned for plan in plans] == [{"model_extractions"}] * 2 + [set()] * 2
    _by(plans, "model_extractions_pkey", "tenant")
