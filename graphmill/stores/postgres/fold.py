"""The fold: what was found in a collection's text units becomes the rows of a graph.

Each method has a script of its own between two that are the same for both. Everything else is done
in one way: when a graph is opened, what it is a function of, what is counted.
"""

import hashlib
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources

import asyncpg

from graphmill.errors import NotFound
from graphmill.messages import MergedGraph
from graphmill.models import CollectionKey, DocumentState
from graphmill.settings import PruneSettings

MOST_JOINED = 2_000
"""Characters that a relationship's statements may have together to stand as they are; over it a
model makes one text of them."""

_Connection = asyncpg.pool.PoolConnectionProxy
_SQL = resources.files("graphmill.stores.postgres") / "sql"
_ROWS_OF_A_FOLD = (
    "graph_documents",
    "graph_text_units",
    "entities",
    "relationships",
    "covariates",
    "model_gaps",
)
_UNITS, _ROWS = ((_SQL / name).read_text() for name in ("graph_units.sql", "graph_rows.sql"))


@dataclass(frozen=True, slots=True)
class Fold:
    """One method's: documents in which states are in the graph, its script, what numbers are
    filled in there, and what comes after the rows that every graph has."""

    states: tuple[DocumentState, ...]
    script: str
    numbers: dict[str, int | float]
    more_rows: tuple[str, ...] = ()

    @property
    def whole_script(self) -> str:
        return "\n".join((_UNITS, self.script, _ROWS, *self.more_rows))


def fold_of_extractions(prune: PruneSettings) -> Fold:
    """Of method fast."""
    numbers = {
        "min_node_freq": prune.min_node_freq,
        "min_node_degree": prune.min_node_degree,
        "min_edge_weight_pct": prune.min_edge_weight_pct,
    }
    return Fold((DocumentState.DONE,), (_SQL / "merge_graph.sql").read_text(), numbers)


def fold_of_model_extractions(*, claims: bool = False) -> Fold:
    """Of method standard: what a partial document has is in the graph, what it lacks is not."""
    return Fold(
        (DocumentState.DONE, DocumentState.PARTIAL),
        (_SQL / "merge_model_graph.sql").read_text(),
        {"most_joined": MOST_JOINED},
        ((_SQL / "covariate_rows.sql").read_text(),) if claims else (),
    )


@asynccontextmanager
async def snapshot(pool: asyncpg.Pool) -> AsyncGenerator[_Connection]:
    """A transaction that sees one state of the documents: a digest and rows must be of the same."""
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read"),
    ):
        yield connection


@asynccontextmanager
async def folding(pool: asyncpg.Pool) -> AsyncGenerator[_Connection]:
    """A snapshot in which a graph is folded."""
    # Tables that grew a minute ago have no statistics yet; joins guessed from nothing become
    # loops. Outside the transaction: ANALYZE's lock would let collections wait for each other.
    await _analyze(pool, {"documents": "(id, state)", "text_units": "(id, document_id)"})
    async with snapshot(pool) as connection:
        # Only for this transaction: sorts and hashes of a fold are large.
        await connection.execute("SET LOCAL work_mem = '256MB'")
        yield connection
    await _analyze(pool, dict.fromkeys(_ROWS_TO_ANALYZE, ""))


async def _analyze(pool: asyncpg.Pool, columns: dict[str, str]) -> None:
    """Statistics of tables that all collections share. One that an autovacuum is at work on goes
    without: whoever waits for it ends it, and with a fold every minute it would never come to its
    end. Unless there are none at all yet."""
    tables = ", ".join(f"{table} {of}" for table, of in columns.items())
    await pool.execute(f"ANALYZE (SKIP_LOCKED) {tables}")
    unknown = await pool.fetch(_NEVER_ANALYZED, list(columns))
    for row in unknown:
        table: str = row["relname"]
        await pool.execute(f"ANALYZE {table} {columns[table]}")


_ROWS_TO_ANALYZE = ("graph_text_units", "entities", "relationships", "covariates")
_NEVER_ANALYZED = """
SELECT relname FROM pg_stat_user_tables
WHERE schemaname = current_schema() AND relname = ANY($1)
AND last_analyze IS NULL AND last_autoanalyze IS NULL
"""


async def open_graph(
    connection: _Connection, key: CollectionKey, fold: Fold, versions: str, *, afresh: bool
) -> int | None:
    """A new graph without rows, in place of what an earlier attempt left behind; None where the
    published one is what this fold would give, unless it is to be made `afresh`."""
    digest = _digest(fold, versions) + await _input_digest(connection, key, fold)
    if not afresh:
        published = await connection.fetchval(
            "SELECT g.digest FROM collections c JOIN graphs g ON g.id = c.graph_id"
            " WHERE c.tenant = $1 AND c.name = $2",
            key.tenant,
            key.name,
        )
        if published == digest:
            return None
    await connection.execute(
        "DELETE FROM graphs WHERE tenant = $1 AND collection = $2 AND NOT published",
        key.tenant,
        key.name,
    )
    return await connection.fetchval(
        "INSERT INTO graphs (tenant, collection, digest) VALUES ($1, $2, $3) RETURNING id",
        key.tenant,
        key.name,
        digest,
    )


async def empty_graph(
    connection: _Connection, key: CollectionKey, graph_id: int, fold: Fold
) -> None:
    """Make an opened graph ready to be folded, perhaps again.

    Where documents or verdicts have changed since it was opened, what was decided then (which
    entities are the same) may not be of these: its digest becomes one that nothing has, so that the
    next run makes a graph anew.

    Raises:
        NotFound: it is gone, or published.
    """
    # The row is written in any case: of two attempts that meet, one waits here, and is done again.
    opened = await connection.fetchval(
        "UPDATE graphs SET digest = CASE WHEN substr(digest, $3) = $2 THEN digest ELSE '' END"
        " WHERE id = $1 AND NOT published RETURNING true",
        graph_id,
        await _input_digest(connection, key, fold),
        hashlib.sha256().digest_size + 1,
    )
    if not opened:
        raise NotFound(f"the graph under construction of collection {key.name!r} is gone")
    for table in _ROWS_OF_A_FOLD:
        await connection.execute(f"DELETE FROM {table} WHERE graph_id = $1", graph_id)


async def fill_graph(
    connection: _Connection, key: CollectionKey, graph_id: int, fold: Fold
) -> MergedGraph:
    """Write the rows of a graph that has none."""
    await connection.execute(await _filled_in(connection, key, graph_id, fold))
    row = await connection.fetchrow(
        "SELECT (SELECT count(*) FROM graph_text_units WHERE graph_id = $1) AS text_units,"
        " (SELECT count(*) FROM entities WHERE graph_id = $1) AS entities,"
        " (SELECT count(*) FROM relationships WHERE graph_id = $1) AS relationships,"
        " (SELECT count(*) FROM entities WHERE graph_id = $1 AND descriptions <> '{}')"
        " + (SELECT count(*) FROM relationships WHERE graph_id = $1 AND descriptions <> '{}')"
        " AS to_summarize,"
        " EXISTS (SELECT FROM documents WHERE tenant = $2 AND collection = $3"
        " AND state IN ('uploaded', 'pending')) AS documents_wait",
        graph_id,
        key.tenant,
        key.name,
    )
    assert row is not None
    return MergedGraph(
        graph_id,
        row["text_units"],
        row["entities"],
        row["relationships"],
        row["to_summarize"],
        row["documents_wait"],
    )


def _digest(fold: Fold, versions: str) -> bytes:
    """Of all that a graph is a function of, its documents and what people say of them aside."""
    numbers = json.dumps(fold.numbers, sort_keys=True)
    states = " ".join(fold.states)
    return hashlib.sha256(
        "\n".join((versions, fold.whole_script, states, numbers)).encode()
    ).digest()


async def _input_digest(connection: _Connection, key: CollectionKey, fold: Fold) -> bytes:
    """Of the documents as read, and of what people say of titles. The reason tells how much of a
    partial document has been read."""
    return await connection.fetchval(_INPUT_DIGEST, key.tenant, key.name, fold.states)


_INPUT_DIGEST = """
SELECT sha256(convert_to(
    coalesce(documents, '') || coalesce(' verdicts ' || verdicts, ''), 'UTF8'))
FROM (
    SELECT string_agg(encode(sha256(convert_to(concat_ws(
        ' ', id, encode(version, 'hex'), encode(recipe, 'hex'), creation_date, reason
    ), 'UTF8')), 'hex'), ' ' ORDER BY name) AS documents
    FROM documents WHERE tenant = $1 AND collection = $2 AND state = ANY($3)
) AS read, (
    SELECT string_agg(encode(sha256(convert_to(
        jsonb_build_array(title, other, same, reason)::text, 'UTF8')), 'hex'), ' '
        ORDER BY title, other) AS verdicts
    FROM resolution_verdicts WHERE tenant = $1 AND collection = $2
) AS said
"""


async def _filled_in(connection: _Connection, key: CollectionKey, graph_id: int, fold: Fold) -> str:
    # A script of several statements takes no parameters; the server quotes what is text.
    quoted = await connection.fetchrow(
        "SELECT quote_literal($1::text) AS tenant, quote_literal($2::text) AS collection",
        key.tenant,
        key.name,
    )
    assert quoted is not None
    return fold.whole_script.format(
        graph_id=int(graph_id),
        tenant=quoted["tenant"],
        collection=quoted["collection"],
        states=", ".join(f"'{state}'" for state in fold.states),
        **fold.numbers,
    )
