"""How a run stands, from its row, its collection's documents and the published graph."""

import contextlib
from uuid import UUID

import asyncpg

from graphmill.gaps import EmbeddingGaps, ModelGaps
from graphmill.missing import no_run, no_run_or_collection
from graphmill.models import CollectionKey, Method, Phase, RunState
from graphmill.run_status import DocumentFailure, DocumentTotals, RunStatus
from graphmill.stores.postgres.gaps import load_embedding_gaps, load_model_gaps
from graphmill.stores.postgres.graph_counts import count_of
from graphmill.stores.postgres.model_accounts import PostgresModelAccounts
from graphmill.stores.postgres.projection_standings import PostgresProjectionStandings

# A status with more failures than this tells the first of them, in the order of their names; how
# many there are stands in documents.failed, and `documents list --state failed` pages through all.
MAX_FAILURES = 10_000

_RUN = """
SELECT r.id, r.tenant, r.collection, r.workflow_id, r.state, r.phase, r.reason, r.started_at,
       r.ended_at, r.method, r.budget_nano_usd, c.graph_id,
       extract(epoch FROM coalesce(r.ended_at, now()) - r.started_at)::float8 AS seconds
FROM runs r JOIN collections c ON c.tenant = r.tenant AND c.name = r.collection
"""

# A run that could not begin has read nothing, and spent nothing.
_BEGAN = "NOT (r.state = 'failed' AND r.phase = 'starting')"

# One row, whether there is a graph or not.
_FIGURES = f"""
SELECT coalesce(max({count_of("text_units")}), 0) AS text_units,
       coalesce(max({count_of("entities")}), 0) AS entities,
       coalesce(max({count_of("relationships")}), 0) AS relationships,
       coalesce(max({count_of("communities")}), 0) AS communities,
       coalesce(max({count_of("reports")}), 0) AS reports
FROM graphs g WHERE g.id = $1
"""


class PostgresRunStatus:
    """A published graph never changes, so its figures are counted once."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._accounts = PostgresModelAccounts(pool)
        self._projections = PostgresProjectionStandings(pool)
        self._figures: tuple[int, asyncpg.Record] | None = None

    async def find_run(self, tenant: str, run_or_collection: str) -> UUID:
        """The id of a run, given its id or its collection's name (then the latest run's).

        Raises:
            NotFound: neither is known to this tenant.
        """
        run_id = None
        with contextlib.suppress(ValueError):
            run_id = UUID(run_or_collection)
        if run_id is not None:
            found = await self._pool.fetchval(
                "SELECT id FROM runs WHERE tenant = $1 AND id = $2", tenant, run_id
            )
            if found is not None:
                return found
        latest = await self._pool.fetchval(
            "SELECT id FROM runs WHERE tenant = $1 AND collection = $2"
            " ORDER BY started_at DESC LIMIT 1",
            tenant,
            run_or_collection,
        )
        if latest is not None:
            return latest
        raise no_run(run_id) if run_id else no_run_or_collection(tenant, run_or_collection)

    async def find_run_key(self, tenant: str, run_id: UUID) -> CollectionKey | None:
        """Of which collection a run is; None where this tenant has none of that id."""
        collection = await self._pool.fetchval(
            "SELECT collection FROM runs WHERE tenant = $1 AND id = $2", tenant, run_id
        )
        return None if collection is None else CollectionKey(tenant, collection)

    async def run_method(self, run_id: UUID) -> Method | None:
        """By which method a run reads; None where no worker has opened it yet."""
        found = await self._pool.fetchval("SELECT method FROM runs WHERE id = $1", run_id)
        return None if found is None else Method(found)

    async def run_batch(self, run_id: UUID) -> bool | None:
        """Whether a run asks in batches; None where no worker has opened it yet."""
        return await self._pool.fetchval("SELECT batch FROM runs WHERE id = $1", run_id)

    async def last_method(self, key: CollectionKey) -> Method | None:
        """By which method a collection was read last; None where it never was."""
        found = await self._pool.fetchval(
            "SELECT method FROM runs r WHERE tenant = $1 AND collection = $2"
            f" AND {_BEGAN} ORDER BY started_at DESC LIMIT 1",
            key.tenant,
            key.name,
        )
        return None if found is None else Method(found)

    async def last_budget_left(self, key: CollectionKey) -> float | None:
        """What the collection's last run left of its budget, in dollars: nothing where it ended
        over it, though a smaller call may have fitted in. None where it had no budget."""
        left = await self._pool.fetchval(
            f"""
            SELECT CASE WHEN budget_nano_usd IS NULL THEN NULL
                        WHEN state = 'over_budget' THEN 0
                        ELSE greatest(0, budget_nano_usd - coalesce((
                            SELECT sum(nano_usd)::bigint FROM model_accounts WHERE run_id = r.id
                        ), 0)) END
            FROM runs r WHERE tenant = $1 AND collection = $2 AND {_BEGAN}
            ORDER BY started_at DESC LIMIT 1
            """,
            key.tenant,
            key.name,
        )
        return None if left is None else left / 1e9

    async def run_key(self, run_id: UUID) -> CollectionKey:
        """Which collection a run is of.

        Raises:
            NotFound: there is no such run.
        """
        row = await self._pool.fetchrow("SELECT tenant, collection FROM runs WHERE id = $1", run_id)
        if row is None:
            raise no_run(run_id)
        return CollectionKey(row["tenant"], row["collection"])

    async def status(self, run_id: UUID, with_failures: bool = True) -> RunStatus:
        """
        Raises:
            NotFound: there is no such run.
        """
        row = await self._pool.fetchrow(_RUN + "WHERE r.id = $1", run_id)
        if row is None:
            raise no_run(run_id)
        counts = await self._pool.fetchrow(
            """
            SELECT count(*) AS total,
                   count(*) FILTER (WHERE state = 'done') AS done,
                   count(*) FILTER (WHERE state = 'failed') AS failed,
                   count(*) FILTER (WHERE state = 'skipped') AS skipped,
                   count(*) FILTER (WHERE state = 'partial') AS partial,
                   count(*) FILTER (WHERE ended_at >= $3
                                    AND ($4::timestamptz IS NULL OR ended_at <= $4)) AS processed
            FROM documents WHERE tenant = $1 AND collection = $2
            """,
            row["tenant"],
            row["collection"],
            row["started_at"],
            row["ended_at"],
        )
        assert counts is not None  # an aggregate always has its row
        failures: tuple[DocumentFailure, ...] = ()
        if with_failures and (counts["failed"] or counts["partial"]):
            failures = await self._failures(row["tenant"], row["collection"])
        figures = await self._graph_figures(row["graph_id"])
        key = CollectionKey(row["tenant"], row["collection"])
        budget = row["budget_nano_usd"]
        return RunStatus(
            run_id=str(row["id"]),
            workflow_id=row["workflow_id"],
            tenant=row["tenant"],
            collection=row["collection"],
            state=RunState(row["state"]),
            phase=Phase(row["phase"]),
            reason=row["reason"],
            documents=DocumentTotals(
                counts["total"],
                counts["done"],
                counts["failed"],
                counts["skipped"],
                counts["partial"],
            ),
            failures=failures,
            processed=counts["processed"],
            seconds=max(row["seconds"], 0.0),
            text_units=figures["text_units"],
            entities=figures["entities"],
            relationships=figures["relationships"],
            communities=figures["communities"],
            reports=figures["reports"],
            model=await self._accounts.run_use(run_id),
            method=Method(row["method"]),
            budget_usd=None if budget is None else budget / 1e9,
            embeddings=await self.embedding_gaps(key),
            model_gaps=await self.model_gaps(key),
            projections=await self._projections.load(key),
        )

    async def embedding_gaps(self, key: CollectionKey) -> EmbeddingGaps:
        """Which texts of a collection have no vector, or one of their beginning only."""
        return await load_embedding_gaps(self._pool, key)

    async def model_gaps(self, key: CollectionKey) -> ModelGaps:
        """Which reports and summaries of the published graph no model gave."""
        return await load_model_gaps(self._pool, key)

    async def fail_run(self, run_id: UUID, reason: str) -> bool:
        """Write down that a run is over which could not write so itself. False: it has ended."""
        written = await self._pool.fetchval(
            "UPDATE runs SET state = 'failed', reason = $2, ended_at = now()"
            " WHERE id = $1 AND state IN ('running', 'paused') RETURNING true",
            run_id,
            reason,
        )
        return bool(written)

    async def _failures(self, tenant: str, collection: str) -> tuple[DocumentFailure, ...]:
        rows = await self._pool.fetch(
            "SELECT id, name, reason FROM documents"
            " WHERE tenant = $1 AND collection = $2 AND state IN ('failed', 'partial')"
            " ORDER BY name LIMIT $3",
            tenant,
            collection,
            MAX_FAILURES,
        )
        return tuple(DocumentFailure(row["id"], row["name"], row["reason"]) for row in rows)

    async def _graph_figures(self, graph_id: int | None) -> asyncpg.Record:
        if self._figures is None or self._figures[0] != graph_id or graph_id is None:
            record = await self._pool.fetchrow(_FIGURES, graph_id)
            assert record is not None  # an aggregate always has its row
            self._figures = (graph_id or -1, record)
        return self._figures[1]
