"""Graphs in PostgreSQL: folded, clustered, reported and published (ports.GraphStore)."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence

import asyncpg

from graphmill.clustering import (
    CLUSTERING_VERSION,
    ClusterEntity,
    Clustering,
    ClusterRelationship,
    LastClustering,
    LastCommunity,
)
from graphmill.gaps import REPORT
from graphmill.messages import MergedGraph
from graphmill.models import CollectionKey, CommunityReport
from graphmill.ports import GraphToCluster
from graphmill.reports import ReportContext
from graphmill.settings import PruneSettings
from graphmill.stores.postgres.copying import copy_rows
from graphmill.stores.postgres.fold import (
    empty_graph,
    fill_graph,
    fold_of_extractions,
    fold_of_model_extractions,
    folding,
    open_graph,
    snapshot,
)
from graphmill.stores.postgres.graph_counts import SET_COUNTS
from graphmill.stores.postgres.reports import read_contexts, write_reports
from graphmill.stores.postgres.unreferenced import delete_unreferenced


class PostgresGraphStore:
    """A graph is built under its own id; nothing that is published ever changes, but by which model
    it is embedded."""

    def __init__(self, pool: asyncpg.Pool, prune: PruneSettings) -> None:
        self._pool = pool
        self._fast = fold_of_extractions(prune)
        self._standard = fold_of_model_extractions()
        self._standard_with_claims = fold_of_model_extractions(claims=True)

    async def merge_graph(self, key: CollectionKey, versions: str, *, afresh: bool) -> MergedGraph:
        async with folding(self._pool) as connection:
            graph_id = await open_graph(connection, key, self._fast, versions, afresh=afresh)
            if graph_id is None:
                return MergedGraph(None)
            return await fill_graph(connection, key, graph_id, self._fast)

    async def open_graph(
        self, key: CollectionKey, versions: str, *, afresh: bool, claims: bool = False
    ) -> int | None:
        fold = self._standard_with_claims if claims else self._standard
        async with snapshot(self._pool) as connection:
            return await open_graph(connection, key, fold, versions, afresh=afresh)

    async def fold_model_extractions(
        self, key: CollectionKey, graph_id: int, *, claims: bool = False
    ) -> MergedGraph:
        fold = self._standard_with_claims if claims else self._standard
        async with folding(self._pool) as connection:
            await empty_graph(connection, key, graph_id, fold)
            return await fill_graph(connection, key, graph_id, fold)

    async def load_for_clustering(self, graph_id: int) -> GraphToCluster:
        async with self._pool.acquire() as connection:
            entities = await connection.fetch(
                "SELECT id, title FROM entities WHERE graph_id = $1 ORDER BY human_readable_id",
                graph_id,
            )
            relationships = await connection.fetch(
                "SELECT id, source, target, weight, text_unit_ids FROM relationships"
                " WHERE graph_id = $1 ORDER BY human_readable_id",
                graph_id,
            )
            dates = await connection.fetch(
                "SELECT u.text_unit_id, to_char(d.creation_date, 'YYYY-MM-DD') AS date"
                " FROM graph_text_units u JOIN graph_documents d USING (graph_id, document_id)"
                " WHERE u.graph_id = $1",
                graph_id,
            )
        # In a thread, as all that is made of a whole graph: the event loop has heartbeats to send.
        return await asyncio.to_thread(_graph_to_cluster, entities, relationships, dates)

    async def load_last_clustering(self, graph_id: int) -> LastClustering | None:
        async with self._pool.acquire() as connection:
            last = await connection.fetchval(_LAST_CLUSTERED, graph_id, CLUSTERING_VERSION)
            if last is None:
                return None
            communities = await connection.fetch(
                "SELECT community, level, parent, entity_ids FROM communities"
                " WHERE graph_id = $1 ORDER BY community",
                last,
            )
            touched = await connection.fetch(_TOUCHED, graph_id, last)
        return await asyncio.to_thread(_last_clustering, communities, touched)

    async def save_communities(self, graph_id: int, clustering: Clustering) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            tenant = await connection.fetchval(
                "UPDATE graphs SET clustering = $2, steady = $3, modularity = $4,"
                " fresh_modularity = $5 WHERE id = $1 RETURNING tenant",
                graph_id,
                CLUSTERING_VERSION,
                clustering.steady,
                clustering.modularity,
                clustering.fresh_modularity,
            )
            await connection.execute("DELETE FROM communities WHERE graph_id = $1", graph_id)
            await connection.execute("DELETE FROM community_reports WHERE graph_id = $1", graph_id)
            await connection.execute(
                "DELETE FROM model_gaps WHERE graph_id = $1 AND kind = $2", graph_id, REPORT
            )
            await copy_rows(
                connection,
                "communities",
                (
                    "tenant",
                    "graph_id",
                    "id",
                    "community",
                    "level",
                    "parent",
                    "children",
                    "title",
                    "entity_ids",
                    "relationship_ids",
                    "text_unit_ids",
                    "period",
                    "size",
                ),
                _in_slices(
                    (
                        tenant,
                        graph_id,
                        c.id,
                        c.community,
                        c.level,
                        c.parent,
                        c.children,
                        c.title,
                        c.entity_ids,
                        c.relationship_ids,
                        c.text_unit_ids,
                        c.period,
                        c.size,
                    )
                    for c in clustering.communities
                ),
            )

    async def unreported(
        self, graph_id: int, after: int, most: int, most_entities: int
    ) -> tuple[ReportContext, ...]:
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(_UNREPORTED, graph_id, after, most, most_entities)
            return await read_contexts(connection, graph_id, rows)

    async def save_reports(self, graph_id: int, reports: Sequence[CommunityReport]) -> None:
        await write_reports(self._pool, graph_id, reports)

    async def count_reports(self, graph_id: int) -> int:
        return await self._pool.fetchval(
            "SELECT count(*) FROM community_reports WHERE graph_id = $1", graph_id
        )

    async def publish_graph(
        self,
        key: CollectionKey,
        graph_id: int,
        embeddings: str,
        entity_types: Sequence[str] = (),
    ) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "UPDATE graphs SET published = true, embedding_model = nullif($2, ''),"
                " entity_types = $3, published_at = now(),"
                f" {SET_COUNTS}, version = id || '-' || left(md5(gen_random_uuid()::text), 12)"
                " WHERE id = $1",
                graph_id,
                embeddings,
                entity_types,
            )
            await connection.execute(
                "UPDATE collections SET graph_id = $3 WHERE tenant = $1 AND name = $2",
                key.tenant,
                key.name,
                graph_id,
            )
            await connection.execute(
                "DELETE FROM graphs WHERE tenant = $1 AND collection = $2 AND id <> $3",
                key.tenant,
                key.name,
                graph_id,
            )
            await delete_unreferenced(connection, key, graph_id, embeddings)


def _graph_to_cluster(
    entities: Sequence[asyncpg.Record],
    relationships: Sequence[asyncpg.Record],
    dates: Sequence[asyncpg.Record],
) -> GraphToCluster:
    return GraphToCluster(
        tuple(ClusterEntity(row["id"], row["title"]) for row in entities),
        tuple(
            ClusterRelationship(
                row["id"],
                row["source"],
                row["target"],
                row["weight"],
                tuple(row["text_unit_ids"]),
            )
            for row in relationships
        ),
        {row["text_unit_id"]: row["date"] for row in dates},
    )


def _last_clustering(
    communities: Sequence[asyncpg.Record], touched: Sequence[asyncpg.Record]
) -> LastClustering:
    return LastClustering(
        tuple(
            LastCommunity(row["community"], row["level"], row["parent"], tuple(row["entity_ids"]))
            for row in communities
        ),
        frozenset(row["id"] for row in touched),
    )


async def _in_slices(records: Iterable[tuple[object, ...]]) -> AsyncGenerator[tuple[object, ...]]:
    """The driver encodes records for as long as the socket takes them; other tasks come between."""
    for number, record in enumerate(records):
        if number % _SLICE == 0:
            await asyncio.sleep(0)
        yield record


_SLICE = 100

# The published graph of the same collection, where this release clustered it.
_LAST_CLUSTERED = """
    SELECT last.id FROM graphs g
    JOIN collections c ON c.tenant = g.tenant AND c.name = g.collection
    JOIN graphs last ON last.id = c.graph_id
    WHERE g.id = $1 AND last.id <> g.id AND last.clustering = $2
    """

# Entities of the graph ($1) with a relationship that the last one ($2) has otherwise, or that only
# one of them has. Weights are compared as clustering sees them, in medians: where they depend on
# the whole collection (PMI), all of them change a little with each document, and a hundredth is no
# change.
_TOUCHED = """
    WITH medians AS (
        SELECT graph_id,
            percentile_disc(0.5) WITHIN GROUP (ORDER BY weight) FILTER (WHERE weight > 0) AS median
        FROM relationships WHERE graph_id IN ($1, $2) GROUP BY graph_id
    ), now AS (
        SELECT id, source, target, weight / median AS weight
        FROM relationships JOIN medians USING (graph_id) WHERE graph_id = $1
    ), last AS (
        SELECT id, source, target, weight / median AS weight
        FROM relationships JOIN medians USING (graph_id) WHERE graph_id = $2
    ), changed AS (
        SELECT coalesce(now.source, last.source) AS source,
            coalesce(now.target, last.target) AS target
        FROM now FULL JOIN last USING (id)
        WHERE (abs(now.weight - last.weight) <= 0.01 * last.weight) IS NOT TRUE
    )
    SELECT id FROM entities WHERE graph_id = $1 AND title IN (
        SELECT source FROM changed UNION SELECT target FROM changed)
    """

_UNREPORTED = """
    SELECT * FROM (
        SELECT *, sum(size) OVER (ORDER BY community) - size AS entities_before FROM (
            SELECT * FROM communities c WHERE graph_id = $1 AND community > $2 AND NOT EXISTS (
                SELECT FROM community_reports r
                WHERE r.graph_id = $1 AND r.community = c.community)
            ORDER BY community LIMIT $3
        ) AS next
    ) AS counted
    WHERE entities_before = 0 OR entities_before + size <= $4
    ORDER BY community
    """
