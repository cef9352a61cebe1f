"""Files become a published graph by the real stores and algorithms, without Temporal."""

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from uuid import UUID

import asyncpg

from graphmill.clustering import cluster_graph
from graphmill.embedding import LocalEmbedder
from graphmill.errors import InvalidDocument
from graphmill.messages import COMMUNITY_FULL_CONTENT, ENTITY_DESCRIPTION, TEXT_UNIT_TEXT
from graphmill.models import CollectionKey, DocumentState, ProcessedDocument
from graphmill.processing import ProcessSettings, process_document
from graphmill.reports import write_report
from graphmill.settings import LimitSettings, PruneSettings
from graphmill.stores.postgres.catalog import PostgresCatalog
from graphmill.stores.postgres.embeddings import PostgresEmbeddingStore
from graphmill.stores.postgres.graph import PostgresGraphStore
from graphmill.stores.postgres.indexing import PostgresIndexingStore
from graphmill.uploads import Upload

_EMBEDDER = LocalEmbedder()
_DAY = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


async def publish(
    pool: asyncpg.Pool,
    key: CollectionKey,
    files: Mapping[str, bytes],
    *,
    chunk_size: int = 1200,
    min_node_freq: int = 2,
    entity_types: Sequence[str] = (),
) -> int:
    """Upload, read, merge, cluster afresh, report, embed and publish; gives the graph's id."""
    await upload(pool, key, files)
    return await index(
        pool,
        key,
        recluster=True,
        chunk_size=chunk_size,
        min_node_freq=min_node_freq,
        entity_types=entity_types,
    )


async def upload(pool: asyncpg.Pool, key: CollectionKey, files: Mapping[str, bytes]) -> None:
    catalog = PostgresCatalog(pool)
    await catalog.create_collection(key)
    await catalog.upload(key, [_upload(name, data) for name, data in files.items()])


def _no_step() -> None:
    pass


async def index(
    pool: asyncpg.Pool,
    key: CollectionKey,
    *,
    recluster: bool = False,
    chunk_size: int = 1200,
    min_node_freq: int = 2,
    entity_types: Sequence[str] = (),
    step: Callable[[], None] = _no_step,
) -> int:
    """What a run does, by the steps that its activities are made of; gives the graph's id. `step`
    is called between two of them, and may raise: what is done then stays done, as in a crash."""
    await _read_documents(pool, key, chunk_size, step)
    graphs = PostgresGraphStore(pool, PruneSettings(min_node_freq=min_node_freq))
    merged = await graphs.merge_graph(key, "test", afresh=True)
    assert merged.graph_id is not None
    step()
    loaded = await graphs.load_for_clustering(merged.graph_id)
    last = None if recluster else await graphs.load_last_clustering(merged.graph_id)
    clustering = cluster_graph(loaded.entities, loaded.relationships, loaded.text_unit_dates, last)
    await graphs.save_communities(merged.graph_id, clustering)
    step()
    after = -1
    while contexts := await graphs.unreported(merged.graph_id, after, 100, 10_000):
        await graphs.save_reports(merged.graph_id, [write_report(c) for c in contexts])
        after = contexts[-1].community.community
        step()
    await _embed(pool, key, merged.graph_id, step)
    await graphs.publish_graph(key, merged.graph_id, "", entity_types)
    return merged.graph_id


def _upload(name: str, data: bytes) -> Upload:
    version = hashlib.sha256(data).digest()
    return Upload(name, version, len(data), _DAY, partial(io.BytesIO, data))


async def _read_documents(
    pool: asyncpg.Pool, key: CollectionKey, chunk_size: int, step: Callable[[], None]
) -> None:
    indexing = PostgresIndexingStore(pool)
    after = 0
    while (page := await indexing.next_page(key, after, 500)).documents:
        after = page.last
        for waiting in page.documents:
            document = await indexing.load_document(key, waiting.id)
            assert document is not None
            data = await indexing.load_content(key, document.version)
            try:
                processed = _process(data, document.name, chunk_size)
            except InvalidDocument as error:
                await indexing.save_ended(
                    key, document.id, document.version, DocumentState.FAILED, str(error), b"test"
                )
            else:
                await indexing.save_processed(key, document, processed, b"read", b"test")
            step()


@lru_cache(maxsize=100)
def _process(data: bytes, name: str, chunk_size: int) -> ProcessedDocument:
    """Read once a session: several tests publish the same files."""
    settings = ProcessSettings(chunk_size, chunk_size // 12, LimitSettings())
    return process_document(data, name, settings)


async def _embed(
    pool: asyncpg.Pool, key: CollectionKey, graph_id: int, step: Callable[[], None]
) -> None:
    vectors = PostgresEmbeddingStore(pool)
    for index in (TEXT_UNIT_TEXT, ENTITY_DESCRIPTION, COMMUNITY_FULL_CONTENT):
        after = UUID(int=0)
        while rows := await vectors.unembedded(key, graph_id, index, _EMBEDDER.model, after, 500):
            embeddings = _EMBEDDER.embed([text for _, text in rows])
            ids = [id for id, _ in rows]
            await vectors.upsert_vectors(
                key, index, _EMBEDDER.model, list(zip(ids, embeddings, strict=True))
            )
            after = ids[-1]
