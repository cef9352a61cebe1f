"""Graphs in PostgreSQL: folded, clustered, reported and published (ports.GraphStore)."""

from collections.abc import Sequence

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
from graphmill.messages import (
    COMMUNITY_FULL_CONTENT,
    ENTITY_DESCRIPTION,
    TEXT_UNIT_TEXT,
    MergedGraph,
)
from graphmill.models import CollectionKey, CommunityReport
from graphmill.ports import GraphToCluster
from graphmill.reports import ReportContext
from graphmill.settings import PruneSettings
from graphmill.stores.postgres.fold import (
    empty_graph,
    fill_graph,
    fold_of_extractions,
    fold_of_model_extractions,
    folding,
    open_graph,
    snapshot,
)
from graphmill.stores.postgres.reports import read_contexts, write_reports


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
        return LastClustering(
            tuple(
                LastCommunity(
                    row["community"], row["level"], row["parent"], tuple(row["entity_ids"])
                )
                for row in communities
            ),
            frozenset(row["id"] for row in touched),
        )

    async def save_communities(self, graph_id: int, clustering: Clustering) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "UPDATE graphs SET clustering = $2, steady = $3, modularity = $4,"
                " fresh_modularity = $5 WHERE id = $1",
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
            await connection.copy_records_to_table(
                "communities",
                columns=(
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
                records=[
                    (
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
                ],
            )

    async def unreported(
        self, graph_id: int, most: int, most_entities: int
    ) -> tuple[ReportContext, ...]:
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(_UNREPORTED, graph_id, most, most_entities)
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
                " entity_types = $3, published_at = coalesce(published_at, now()) WHERE id = $1",
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
            for statement in _DELETE_UNREFERENCED:
                await connection.execute(statement, key.tenant, key.name, graph_id)
            for statement in (_DELETE_OTHER_VECTORS, _DELETE_CLOSED_GAPS):
                await connection.execute(statement, key.tenant, key.name, embeddings)


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
            SELECT * FROM communities c WHERE graph_id = $1 AND NOT EXISTS (
                SELECT FROM community_reports r
                WHERE r.graph_id = $1 AND r.community = c.community)
            ORDER BY community LIMIT $2
        ) AS next
    ) AS counted
    WHERE entities_before = 0 OR entities_before + size <= $3
    ORDER BY community
    """

# Whether what is embedded is still there: of text units, whoever has them, of the rest in the
# published graph ($3).
_STILL_THERE = {
    TEXT_UNIT_TEXT: "FROM text_units t WHERE t.tenant = $1 AND t.collection = $2 AND t.id = v.id"
    " AND $3::bigint IS NOT NULL",
    ENTITY_DESCRIPTION: "FROM entities e WHERE e.graph_id = $3 AND e.embedding_id = v.id",
    COMMUNITY_FULL_CONTENT: "FROM community_reports r WHERE r.graph_id = $3"
    " AND r.embedding_id = v.id",
}

# What the published graph does not point to and no live document needs: text units, and what was
# read of documents, that were replaced or deleted before this graph was merged (those deleted since
# are still part of it), and vectors, with what is told of them. All take the same parameters:
# tenant, collection, published graph.
_DELETE_UNREFERENCED = (
    """
    DELETE FROM text_units t WHERE tenant = $1 AND collection = $2 AND NOT live AND NOT EXISTS (
        SELECT FROM graph_text_units g WHERE g.graph_id = $3 AND g.text_unit_id = t.id)
    """,
    """
    DELETE FROM parsed_documents p WHERE tenant = $1 AND collection = $2 AND NOT EXISTS (
        SELECT FROM documents d WHERE d.tenant = $1 AND d.collection = $2
        AND d.id = p.document_id AND d.parsed = p.digest
    ) AND NOT EXISTS (
        SELECT FROM graph_documents g WHERE g.graph_id = $3
        AND g.document_id = p.document_id AND g.parsed = p.digest)
    """,
    *(
        f"DELETE FROM {table} v WHERE tenant = $1 AND collection = $2 AND vector_index = '{index}'"
        f" AND NOT EXISTS (SELECT {still_there})"
        for table in ("vectors", "embedding_gaps")
        for index, still_there in _STILL_THERE.items()
    ),
)

# Vectors by another model than the published graph's: by any other, where that is an endpoint's; by
# those of endpoints, where it is the local one.
_DELETE_OTHER_VECTORS = """
    DELETE FROM vectors v WHERE tenant = $1 AND collection = $2 AND model <> $3 AND (
        $3 <> '' OR model IN (SELECT d.model FROM vector_dimensions d WHERE d.tenant = $1))
    """

# What is told of texts that have a vector by now, or of another model's.
_DELETE_CLOSED_GAPS = """
    DELETE FROM embedding_gaps g WHERE tenant = $1 AND collection = $2 AND (
        model <> $3 OR reason <> '' AND EXISTS (
            SELECT FROM vectors v WHERE v.tenant = $1 AND v.collection = $2
            AND v.vector_index = g.vector_index AND v.model = g.model AND v.id = g.id))
    """
