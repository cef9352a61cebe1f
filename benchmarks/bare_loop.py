"""The same functions and stores in a loop, on as many processes, without Temporal."""

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from uuid import UUID

from activities.communities import REPORTS_AT_A_TIME
from benchmarks.workloads import Workload
from graphmill.chunking import chunk
from graphmill.clustering import CLUSTERING_VERSION, cluster_graph
from graphmill.embedding import LocalEmbedder
from graphmill.extraction import extract
from graphmill.ids import document_id
from graphmill.messages import VECTOR_INDEXES, Recipe
from graphmill.models import CollectionKey, Method
from graphmill.parsing import parse
from graphmill.processing import ProcessSettings, process_document, reading, recipe
from graphmill.reports import REPORTS_VERSION, write_report
from graphmill.settings import ChunkSettings, LimitSettings, PruneSettings
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.database import open_pool
from graphmill.stores.postgres.embeddings import PostgresEmbeddingStore
from graphmill.stores.postgres.graph import PostgresGraphStore
from graphmill.stores.postgres.indexing import PostgresIndexingStore

_CHUNK = ChunkSettings()
_LIMITS = LimitSettings()
_READ = Recipe(Method.FAST, _CHUNK.size, _CHUNK.overlap)
_RECIPE = recipe(_READ)
_SETTINGS = ProcessSettings(_CHUNK.size, _CHUNK.overlap, _LIMITS)
_WARM_UP = b"Ada Lovelace met Charles Babbage in London. Charles Babbage lived in London."


@dataclass(frozen=True, slots=True)
class Bare:
    """Seconds until the last document was read, and until the graph was published."""

    documents: int
    documents_seconds: float
    seconds: float

    @property
    def per_hour(self) -> float:
        return self.documents / self.documents_seconds * 3600


@dataclass(frozen=True, slots=True)
class Functions:
    """CPU seconds that each function takes for all documents, in one process."""

    parse: float
    chunk: float
    extract: float


async def measure_bare_loop(url: str, workload: Workload, collection: str, processes: int) -> Bare:
    key = CollectionKey("default", collection)
    pool = await open_pool(url, 4)
    try:
        catalog = PostgresCatalog(pool)
        await catalog.create_collection(key)
        for start in range(0, workload.documents, 1000):
            await catalog.upload(key, workload.uploads[start : start + 1000])
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=context) as executor:
            list(executor.map(_warm_up, range(4 * processes)))
            began = time.monotonic()
            ids = await _plan(PostgresIndexingStore(pool), key)
            loop = asyncio.get_running_loop()
            await asyncio.gather(
                *(
                    loop.run_in_executor(executor, _read, url, key, ids[number::processes])
                    for number in range(processes)
                )
            )
            documents_seconds = time.monotonic() - began
        await _build(PostgresGraphStore(pool, PruneSettings()), PostgresEmbeddingStore(pool), key)
        return Bare(workload.documents, documents_seconds, time.monotonic() - began)
    finally:
        await pool.close()


async def _plan(store: PostgresIndexingStore, key: CollectionKey) -> Sequence[UUID]:
    ids: list[UUID] = []
    after = 0
    while (page := await store.next_page(key, after, 500)).documents:
        ids += [waiting.id for waiting in page.documents]
        after = page.last
    return ids


def _warm_up(_: int) -> None:
    process_document(_WARM_UP, "warm.txt", _SETTINGS)
    time.sleep(0.1)  # so that each process gets its share of these


def _read(url: str, key: CollectionKey, ids: Sequence[UUID]) -> None:
    asyncio.run(_read_all(url, key, ids))


async def _read_all(url: str, key: CollectionKey, ids: Sequence[UUID]) -> None:
    pool = await open_pool(url, 1)
    store = PostgresIndexingStore(pool)
    for id in ids:
        document = await store.load_document(key, id)
        assert document is not None
        data = await store.load_content(key, document.version)
        processed = process_document(data, document.name, _SETTINGS)
        read_by = reading(_READ, document.version)
        assert await store.save_processed(key, document, processed, read_by, _RECIPE)
    await pool.close()


async def _build(
    graphs: PostgresGraphStore, vectors: PostgresEmbeddingStore, key: CollectionKey
) -> None:
    versions = f"{CLUSTERING_VERSION} {REPORTS_VERSION}"
    merged = await graphs.merge_graph(key, versions, afresh=False)
    assert merged.graph_id is not None
    loaded = await graphs.load_for_clustering(merged.graph_id)
    clustering = cluster_graph(loaded.entities, loaded.relationships, loaded.text_unit_dates)
    await graphs.save_communities(merged.graph_id, clustering)
    last = -1
    while contexts := await graphs.unreported(merged.graph_id, last, *REPORTS_AT_A_TIME):
        await graphs.save_reports(merged.graph_id, [write_report(found) for found in contexts])
        last = contexts[-1].community.community
    embedder = LocalEmbedder()
    for index in VECTOR_INDEXES:
        after = UUID(int=0)
        while batch := await vectors.unembedded(
            key, merged.graph_id, index, embedder.model, after, 500
        ):
            found = embedder.embed([text for _, text in batch])
            rows = [(id, vector) for (id, _), vector in zip(batch, found, strict=True)]
            await vectors.upsert_vectors(key, index, embedder.model, rows)
            after = batch[-1][0]
    await graphs.publish_graph(key, merged.graph_id, "")


def measure_functions(workload: Workload) -> Functions:
    """Each function over all documents by itself."""
    process_document(_WARM_UP, "warm.txt", _SETTINGS)
    names = [upload.name for upload in workload.uploads]
    parsed = [
        (document_id(name), parse(data, name, _LIMITS))
        for name, data in zip(names, workload.texts, strict=True)
    ]
    units = [unit for id, document in parsed for unit in chunk(id, document, _CHUNK)]

    def parse_all() -> None:
        for name, data in zip(names, workload.texts, strict=True):
            parse(data, name, _LIMITS)

    def chunk_all() -> None:
        for id, document in parsed:
            chunk(id, document, _CHUNK)

    def extract_all() -> None:
        for unit in units:
            extract(unit.text)

    return Functions(_cpu(parse_all), _cpu(chunk_all), _cpu(extract_all))


def _cpu(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
