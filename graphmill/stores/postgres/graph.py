"""Graphs in PostgreSQL: folded, clustered, reported and published (ports.GraphStore)."""

import hashlib
from collections.abc import Sequence
from importlib import resources

import asyncpg

from graphmill.clustering import ClusterEntity, ClusterRelationship
from graphmill.messages import (
    COMMUNITY_FULL_CONTENT,
    ENTITY_DESCRIPTION,
    TEXT_UNIT_TEXT,
    MergedGraph,
)
from graphmill.models import CollectionKey, Community, CommunityReport
from graphmill.ports import GraphToCluster
from graphmill.reports import ReportContext
from graphmill.settings import PruneSettings
from graphmill.stores.postgres.reports import read_contexts, write_reports

_SQL = resources.files("graphmill.stores.postgres") / "sql"
_MERGE_GRAPH = (_SQL / "merge_graph.sql").read_text()


class PostgresGraphStore:
    """A graph is built under its own id; nothing that is published ever changes."""

    def __init__(self, pool: asyncpg.Pool, prune: PruneSettings) -> None:
        self._pool = pool
        self._prune = prune

    async def merge_graph(self, key: CollectionKey, versions: str, *, afresh: bool) -> MergedGraph:
        # Tables that grew a minute ago have no statistics yet; joins guessed from nothing become
        # loops. Outside the transaction: ANALYZE's lock would let collections wait for each other.
        await self._pool.execute("ANALYZE documents (id, state), text_units (id, document_id)")
        merged = await self._merge_graph(key, versions, afresh=afresh)
        await self._pool.execute("ANALYZE graph_text_units, entities, relationships")
        return merged

    async def _merge_graph(self, key: CollectionKey, versions: str, *, afresh: bool) -> MergedGraph:
        # One snapshot: the digest and the rows must be of the same documents.
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            # Only for this transaction: sorts and hashes of a fold are large.
            await connection.execute("SET LOCAL work_mem = '256MB'")
            digest = await self._digest(connection, key, versions)
            if not afresh:
                published = await connection.fetchval(
                    "SELECT g.digest FROM collections c JOIN graphs g ON g.id = c.graph_id"
                    " WHERE c.tenant = $1 AND c.name = $2",
                    key.tenant,
                    key.name,
                )
                if published == digest:
                    return MergedGraph(None)
            # What an earlier attempt left behind.
            await connection.execute(
                "DELETE FROM graphs WHERE tenant = $1 AND collection = $2 AND NOT published",
                key.tenant,
                key.name,
            )
            graph_id: int = await connection.fetchval(
                "INSERT INTO graphs (tenant, collection, digest) VALUES ($1, $2, $3) RETURNING id",
                key.tenant,
                key.name,
                digest,
            )
            await connection.execute(await self._merge_script(connection, key, graph_id))
            row = await connection.fetchrow(
                "SELECT (SELECT count(*) FROM graph_text_units WHERE graph_id = $1) AS text_units,"
                " (SELECT count(*) FROM entities WHERE graph_id = $1) AS entities,"
                " (SELECT count(*) FROM relationships WHERE graph_id = $1) AS relationships",
                graph_id,
            )
        assert row is not None
        return MergedGraph(graph_id, row["text_units"], row["entities"], row["relationships"])

    async def _digest(
        self, connection: asyncpg.pool.PoolConnectionProxy, key: CollectionKey, versions: str
    ) -> bytes:
        """Of all that a graph is a function of: documents as read, pruning, the algorithms."""
        documents: str = await connection.fetchval(
            "SELECT coalesce(string_agg(encode(sha256(convert_to("
            "concat_ws(' ', id, encode(version, 'hex'), encode(recipe, 'hex'), creation_date),"
            " 'UTF8')), 'hex'), ' ' ORDER BY name), '')"
            " FROM documents WHERE tenant = $1 AND collection = $2 AND state = 'done'",
            key.tenant,
            key.name,
        )
        parts = (versions, _MERGE_GRAPH, self._prune.model_dump_json(), documents)
        return hashlib.sha256("\n".join(parts).encode()).digest()

    async def _merge_script(
        self, connection: asyncpg.pool.PoolConnectionProxy, key: CollectionKey, graph_id: int
    ) -> str:
        # A script of several statements takes no parameters; the server quotes what is text.
        quoted = await connection.fetchrow(
            "SELECT quote_literal($1::text) AS tenant, quote_literal($2::text) AS collection",
            key.tenant,
            key.name,
        )
        assert quoted is not None
        return _MERGE_GRAPH.format(
            graph_id=int(graph_id),
            tenant=quoted["tenant"],
            collection=quoted["collection"],
            min_node_freq=int(self._prune.min_node_freq),
            min_node_degree=int(self._prune.min_node_degree),
            min_edge_weight_pct=float(self._prune.min_edge_weight_pct),
        )

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
                " FROM graph_text_units u JOIN graphs g ON g.id = u.graph_id"
                " JOIN documents d ON d.tenant = g.tenant AND d.collection = g.collection"
                " AND d.id = u.document_id WHERE u.graph_id = $1",
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

    async def save_communities(self, graph_id: int, communities: Sequence[Community]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("DELETE FROM communities WHERE graph_id = $1", graph_id)
            await connection.execute("DELETE FROM community_reports WHERE graph_id = $1", graph_id)
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
                    for c in communities
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

    async def publish_graph(self, key: CollectionKey, graph_id: int) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("UPDATE graphs SET published = true WHERE id = $1", graph_id)
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

# What the published graph does not point to and no live document needs: text units that were
# replaced or deleted before this graph was merged (those deleted since are still part of it), and
# vectors. All take the same parameters: tenant, collection, published graph.
_DELETE_UNREFERENCED = (
    """
    DELETE FROM text_units t WHERE tenant = $1 AND collection = $2 AND NOT live AND NOT EXISTS (
        SELECT FROM graph_text_units g WHERE g.graph_id = $3 AND g.text_unit_id = t.id)
    """,
    f"""
    DELETE FROM vectors v
    WHERE tenant = $1 AND collection = $2 AND vector_index = '{TEXT_UNIT_TEXT}'
    AND $3::bigint IS NOT NULL AND NOT EXISTS (
        SELECT FROM text_units t WHERE t.tenant = $1 AND t.collection = $2 AND t.id = v.id)
    """,
    f"""
    DELETE FROM vectors v
    WHERE tenant = $1 AND collection = $2 AND vector_index = '{ENTITY_DESCRIPTION}'
    AND NOT EXISTS (
        SELECT FROM entities e WHERE e.graph_id = $3 AND e.embedding_id = v.id)
    """,
    f"""
    DELETE FROM vectors v
    WHERE tenant = $1 AND collection = $2 AND vector_index = '{COMMUNITY_FULL_CONTENT}'
    AND NOT EXISTS (
        SELECT FROM community_reports r WHERE r.graph_id = $3 AND r.id = v.id)
    """,
)
