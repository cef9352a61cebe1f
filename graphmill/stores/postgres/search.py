"""Reads of the published graph for search: exact scans by pgvector, words by a GIN index."""

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from uuid import UUID

import asyncpg

from graphmill.errors import Unavailable
from graphmill.messages import ENTITY_DESCRIPTION, TEXT_UNIT_TEXT
from graphmill.models import CollectionKey
from graphmill.search.ports import (
    EntityNode,
    Passage,
    RelationshipEdge,
    VectorStore,
    WordMatches,
)
from graphmill.stores.postgres.graph_counts import count_of
from graphmill.stores.postgres.published import published_graph
from graphmill.stores.postgres.search_turns import SearchTurns
from graphmill.stores.postgres.vectors import PostgresVectors

# A search has some ten statements, of milliseconds each. One that takes so long holds a connection
# that others wait for, and whoever asked has gone.
_STATEMENT_SECONDS = 30.0
# How long one waits for a place, and then for a connection.
_WAIT_SECONDS = 10.0
# Connections that searches leave to whatever else is asked.
_LEFT_TO_OTHERS = 3

# Rows of a graph are asked for by its tenant too: a policy asks for it anyway, but of a tenant that
# the planner does not know it guesses how many rows there are.

# The function reads words from their index where a policy would keep them off it, of the tenant for
# whom the connection acts (migrations/0021_tenants.sql).
# The sum is of whole numbers, so that it does not depend on the order of rows. A logarithm of
# numeric takes 20 microseconds: weights are made once a word, not once a hit.
_MATCH_WORDS = f"""
WITH found AS MATERIALIZED (
    SELECT hits.i, hits.id
    FROM text_units_with_words($2, $4) hits
    JOIN graph_text_units g ON g.tenant = $1 AND g.graph_id = $3 AND g.text_unit_id = hits.id
),
total AS (
    SELECT {count_of("text_units")} AS n FROM graphs g WHERE g.tenant = $1 AND g.id = $3
),
frequencies AS (SELECT i, count(*) AS n FROM found GROUP BY i),
weights AS MATERIALIZED (
    SELECT f.i, f.n, (1e6 * ln(1 + (total.n - f.n + 0.5) / (f.n + 0.5)))::bigint AS weight
    FROM frequencies f, total
),
best AS (
    SELECT found.id, array_agg(found.i ORDER BY found.i) AS words, sum(weights.weight) AS weight
    FROM found JOIN weights USING (i)
    GROUP BY found.id
    ORDER BY sum(weights.weight) DESC, found.id
    LIMIT $5
)
SELECT NULL AS id, (SELECT array_agg(i ORDER BY i) FROM frequencies) AS words,
       (SELECT array_agg(n ORDER BY i) FROM frequencies) AS counts,
       (SELECT n FROM total) AS total, NULL::numeric AS weight
UNION ALL
SELECT id, words, NULL, NULL, weight FROM best
ORDER BY weight DESC NULLS FIRST, id
"""

# Texts first, by their ids: a plan that is good where graphs have few documents would go through
# all of them where there are half a million.
_PASSAGES = """
WITH asked AS MATERIALIZED (
    SELECT id, document_id, position, text, n_tokens, first_page, last_page
    FROM text_units WHERE tenant = $1 AND collection = $2 AND id = ANY($3::uuid[])
)
SELECT t.id, t.document_id, d.name, p.title, t.position, t.text, t.n_tokens,
       t.first_page, t.last_page
FROM asked t
JOIN graph_documents d ON d.tenant = $1 AND d.graph_id = $4 AND d.document_id = t.document_id
JOIN parsed_documents p ON p.tenant = $1 AND p.collection = $2 AND p.document_id = d.document_id
    AND p.digest = d.parsed
"""

_ENTITIES_BY_TITLE = """
SELECT id, title, type, description, frequency, text_unit_ids
FROM entities WHERE tenant = $1 AND graph_id = $2 AND title = ANY($3::text[])
ORDER BY title, id
"""

_ENTITIES_BY_EMBEDDING = """
SELECT embedding_id, id, title, type, description, frequency, text_unit_ids
FROM entities WHERE tenant = $3 AND graph_id = $1 AND embedding_id = ANY($2::uuid[])
ORDER BY id
"""

_MENTIONED_ENTITIES = """
SELECT e.id, e.title, e.type, e.description, e.frequency, e.text_unit_ids
FROM entities e
WHERE e.tenant = $1 AND e.graph_id = $2 AND e.frequency BETWEEN 2 AND $4
  AND e.id IN (
      SELECT unnest(g.entity_ids) FROM graph_text_units g
      WHERE g.tenant = $1 AND g.graph_id = $2 AND g.text_unit_id = ANY($3::uuid[])
  )
ORDER BY e.id
"""

_RELATIONSHIPS_OF = """
SELECT id, source, target, description, weight, text_unit_ids FROM relationships
WHERE tenant = $1 AND graph_id = $2 AND id IN (
    SELECT id FROM relationships WHERE tenant = $1 AND graph_id = $2 AND source = ANY($3::text[])
    UNION
    SELECT id FROM relationships WHERE tenant = $1 AND graph_id = $2 AND target = ANY($3::text[])
)
ORDER BY weight DESC, id LIMIT $4
"""


class PostgresSearchStore:
    """graphmill.search.ports.SearchStore over PostgreSQL. The pool belongs to the caller; one store
    for each, which knows how many of its connections searches hold."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        *,
        statement_seconds: float = _STATEMENT_SECONDS,
        wait_seconds: float = _WAIT_SECONDS,
    ) -> None:
        """`wait_seconds`: for a place among the searches, and then for a connection."""
        self._pool = pool
        self._statement_seconds = statement_seconds
        self._wait_seconds = wait_seconds
        places = max(1, pool.get_max_size() - _LEFT_TO_OTHERS)
        self._turns = SearchTurns(places, wait_seconds)

    async def embedding_model(self, key: CollectionKey) -> str:
        async with published_graph(self._pool, key) as (connection, graph_id):
            found = await connection.fetchval(
                "SELECT embedding_model FROM graphs WHERE id = $1", graph_id
            )
            return found or ""

    @asynccontextmanager
    async def snapshot(
        self, key: CollectionKey
    ) -> AsyncGenerator["PostgresGraphSnapshot | None", None]:
        """
        Raises:
            NotFound: there is no such collection.
            Unavailable: no place or no connection came free in time, or a statement took too long.
        """
        async with self._turns.turn(key.tenant), AsyncExitStack() as stack:
            stack.enter_context(_telling_timeouts(self._statement_seconds))
            try:
                connection, graph_id = await stack.enter_async_context(
                    published_graph(self._pool, key, self._wait_seconds)
                )
            except TimeoutError as error:
                raise Unavailable(
                    f"no connection to PostgreSQL came free within {self._wait_seconds:g} s; ask"
                    " again later. `graphmill doctor` looks whether PostgreSQL answers; a higher"
                    " GRAPHMILL_DATABASE_CONNECTIONS lets more be asked at once"
                ) from error
            # Without statistics (a collection just filled) the planner may take a sequential scan
            # for cheap, and it would stem every text.
            # And where a word has more matches than it can remember one by one, it stems the texts
            # around them too.
            await connection.execute(
                "SET LOCAL enable_seqscan = off; SET LOCAL jit = off; SET LOCAL work_mem = '128MB';"
                f" SET LOCAL statement_timeout = {round(1000 * self._statement_seconds)}"
            )
            if graph_id is None:
                yield None
                return
            (model, version), *_ = await connection.fetch(
                "SELECT embedding_model, version FROM graphs WHERE id = $1", graph_id
            )
            yield PostgresGraphSnapshot(connection, key, graph_id, model or "", version)


@contextmanager
def _telling_timeouts(seconds: float) -> Generator[None]:
    try:
        yield
    except asyncpg.QueryCanceledError as error:
        raise Unavailable(
            f"the search was ended: one step of it took PostgreSQL more than {seconds:g} s. Ask"
            " again later, when it has less to do, or ask a shorter question with rarer words"
        ) from error


class PostgresGraphSnapshot:
    """graphmill.search.ports.GraphSnapshot within the transaction of `connection`. `version`: the
    graph's, as stores say it that hold it too."""

    def __init__(
        self,
        connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]",
        key: CollectionKey,
        graph_id: int,
        embedding_model: str,
        version: str,
    ) -> None:
        self.embedding_model = embedding_model
        self.version = version
        self._connection = connection
        self._key = key
        self._graph_id = graph_id

    async def match_words(self, words: Sequence[str], limit: int) -> WordMatches:
        rows = await self._connection.fetch(
            _MATCH_WORDS, self._key.tenant, self._key.name, self._graph_id, list(words), limit
        )
        head = rows[0]
        counts: dict[int, int] = dict(zip(head["words"] or (), head["counts"] or (), strict=True))
        return WordMatches(
            total=head["total"],
            frequencies=tuple(counts.get(i, 0) for i in range(len(words))),
            words_of={row["id"]: frozenset(row["words"]) for row in rows[1:]},
        )

    def vectors(self, model: str) -> VectorStore:
        """The graph's, by this model, in PostgreSQL."""
        return PostgresVectors(self._connection, self._key, self._graph_id, model)

    async def nearest_text_units(
        self, model: str, vector: Sequence[float], limit: int
    ) -> dict[UUID, float]:
        return await self.vectors(model).nearest(TEXT_UNIT_TEXT, vector, limit)

    async def similarities(
        self, model: str, vector: Sequence[float], text_unit_ids: Sequence[UUID]
    ) -> dict[UUID, float]:
        return await self.vectors(model).similarities(TEXT_UNIT_TEXT, vector, text_unit_ids)

    async def passages(self, text_unit_ids: Sequence[UUID]) -> dict[UUID, Passage]:
        rows = await self._connection.fetch(
            _PASSAGES, self._key.tenant, self._key.name, list(text_unit_ids), self._graph_id
        )
        return {row["id"]: Passage(*row) for row in rows}

    async def entities_by_title(self, titles: Sequence[str]) -> tuple[EntityNode, ...]:
        rows = await self._connection.fetch(
            _ENTITIES_BY_TITLE, self._key.tenant, self._graph_id, list(titles)
        )
        return tuple(_entity(row) for row in rows)

    async def nearest_entities(
        self, model: str, vector: Sequence[float], limit: int
    ) -> tuple[tuple[EntityNode, float], ...]:
        near = await self.vectors(model).nearest(ENTITY_DESCRIPTION, vector, limit)
        return (await self.entities_of_vectors(near))[:limit]

    async def entities_of_vectors(
        self, similarities: Mapping[UUID, float]
    ) -> tuple[tuple[EntityNode, float], ...]:
        """The entities whose descriptions have these vectors, nearest first, ties by id."""
        rows = await self._connection.fetch(
            _ENTITIES_BY_EMBEDDING, self._graph_id, list(similarities), self._key.tenant
        )
        found = [(_entity(row), similarities[row["embedding_id"]]) for row in rows]
        return tuple(sorted(found, key=lambda one: (-one[1], one[0].id)))

    async def mentioned_entities(
        self, text_unit_ids: Sequence[UUID], max_frequency: int
    ) -> tuple[EntityNode, ...]:
        rows = await self._connection.fetch(
            _MENTIONED_ENTITIES,
            self._key.tenant,
            self._graph_id,
            list(text_unit_ids),
            max_frequency,
        )
        return tuple(_entity(row) for row in rows)

    async def relationships_of(
        self, titles: Sequence[str], limit: int
    ) -> tuple[RelationshipEdge, ...]:
        rows = await self._connection.fetch(
            _RELATIONSHIPS_OF, self._key.tenant, self._graph_id, list(titles), limit
        )
        return tuple(
            RelationshipEdge(
                row["id"],
                row["source"],
                row["target"],
                row["description"],
                row["weight"],
                tuple(row["text_unit_ids"]),
            )
            for row in rows
        )


def _entity(row: asyncpg.Record) -> EntityNode:
    return EntityNode(
        id=row["id"],
        title=row["title"],
        type=row["type"],
        description=row["description"],
        frequency=row["frequency"],
        text_unit_ids=tuple(row["text_unit_ids"]),
    )
