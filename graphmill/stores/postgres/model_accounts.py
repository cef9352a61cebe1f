"""What runs and documents spend on models, in PostgreSQL (graphmill.llm.budgets.MoneyStore)."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import NamedTuple
from uuid import UUID

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from graphmill.llm.budgets import RunMoney
from graphmill.llm.calls import Asked, Paid, Payer
from graphmill.models import CollectionKey
from graphmill.run_status import ModelUse, RunModelUse

# A transaction locks one of so many rows of its run's step: answers do not wait for each other.
_SLOTS = 32
_WRITE_SECONDS = 1.0

ACCOUNT_COLUMNS = """run_id, step, model, slot, tenant, collection, calls, prompt_tokens,
    completion_tokens, nano_usd"""
ADD_TO_ACCOUNT = """ON CONFLICT (run_id, step, model, slot) DO UPDATE SET
    calls = a.calls + excluded.calls, prompt_tokens = a.prompt_tokens + excluded.prompt_tokens,
    completion_tokens = a.completion_tokens + excluded.completion_tokens,
    nano_usd = a.nano_usd + excluded.nano_usd"""

_logger = logging.getLogger(__name__)


async def add_answer(
    connection: PoolConnectionProxy, payer: Payer, model: str, answer: Paid
) -> None:
    """Add a paid answer to its run's account, in the transaction that keeps the answer."""
    if payer.run_id is not None:
        use = ModelUse(1, 0, answer.prompt_tokens, answer.completion_tokens, answer.nano_usd)
        await add_use(connection, payer.key, payer.run_id, payer.step, model, use)


async def add_use(
    connection: PoolConnectionProxy,
    key: CollectionKey,
    run_id: UUID,
    step: str,
    model: str,
    use: ModelUse,
) -> None:
    """Add several answers of a run's step at once, in the transaction that keeps them."""
    await connection.execute(
        f"INSERT INTO model_accounts AS a ({ACCOUNT_COLUMNS})"
        f" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) {ADD_TO_ACCOUNT}",
        run_id,
        step,
        model,
        any_slot(),
        key.tenant,
        key.name,
        use.calls,
        use.prompt_tokens,
        use.completion_tokens,
        use.nano_usd,
    )


def any_slot() -> int:
    return random.randrange(_SLOTS)


class PostgresModelAccounts:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def run_money(self, run_id: UUID) -> RunMoney:
        """Of a run that has no row: no budget."""
        rows = await self._pool.fetch(
            "SELECT step, sum(nano_usd)::bigint AS spent,"
            " sum(completion_tokens)::float8 / nullif(sum(calls), 0)::float8 AS answer_tokens,"
            " coalesce((SELECT budget_nano_usd FROM runs WHERE id = $1),"
            "   (SELECT budget_nano_usd FROM prompt_tunings WHERE id = $1)) AS budget"
            # One row at least, whatever there is of the run.
            " FROM (SELECT step, nano_usd, completion_tokens, calls FROM model_accounts"
            "       WHERE run_id = $1 UNION ALL SELECT '', 0, 0, 0) accounts GROUP BY step",
            run_id,
        )
        return RunMoney(
            rows[0]["budget"],
            sum(row["spent"] for row in rows),
            {row["step"]: row["answer_tokens"] for row in rows if row["answer_tokens"] is not None},
        )

    async def run_use(self, run_id: UUID) -> RunModelUse:
        """Some hundred rows are read, however many calls there were."""
        rows = await self._pool.fetch(
            "SELECT step, model, sum(calls)::bigint AS calls, sum(cached)::bigint AS cached,"
            " sum(prompt_tokens)::bigint AS prompt_tokens,"
            " sum(completion_tokens)::bigint AS completion_tokens,"
            " sum(nano_usd)::bigint AS nano_usd FROM model_accounts WHERE run_id = $1"
            " GROUP BY step, model ORDER BY step, model",
            run_id,
        )
        total, nothing = ModelUse(), ModelUse()
        steps: dict[str, ModelUse] = {}
        models: dict[str, ModelUse] = {}
        for step, model, *figures in rows:
            use = ModelUse(*figures)
            total += use
            steps[step] = steps.get(step, nothing) + use
            models[model] = models.get(model, nothing) + use
        return RunModelUse(total, steps, models)

    async def document_use(self, key: CollectionKey, document_id: UUID) -> ModelUse:
        """What a document cost, over all runs."""
        row = await self._pool.fetchrow(
            "SELECT count(*) AS calls, 0 AS cached,"
            " coalesce(sum(prompt_tokens), 0)::bigint AS prompt_tokens,"
            " coalesce(sum(completion_tokens), 0)::bigint AS completion_tokens,"
            " coalesce(sum(nano_usd), 0)::bigint AS nano_usd FROM model_calls"
            " WHERE tenant = $1 AND collection = $2 AND document_id = $3",
            key.tenant,
            key.name,
            document_id,
        )
        assert row is not None  # an aggregate always has its row
        return ModelUse(*row)


class _Account(NamedTuple):
    """Whose question was answered from what was paid before."""

    run_id: UUID
    step: str
    model: str
    tenant: str
    collection: str


class KnownAnswers:
    """Counts questions whose answers were paid for before, and writes the counts together: a
    thousand of them a second are no reason for a thousand transactions."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._counted: Counter[_Account] = Counter()
        self._slot = random.randrange(_SLOTS)
        self._writing = asyncio.Lock()

    def count(self, payer: Payer, question: Asked) -> None:
        if payer.run_id is not None:
            key = payer.key
            account = _Account(payer.run_id, payer.step, question.model, key.tenant, key.name)
            self._counted[account] += 1

    async def write(self) -> None:
        """Write what was counted before this call. Where that fails, it goes with the next."""
        async with self._writing:
            counted, self._counted = self._counted, Counter()
            if not counted:
                return
            try:
                await self._write(counted)
            except BaseException as error:
                self._counted += counted
                if not isinstance(error, Exception):
                    raise
                _logger.warning("known answers could not be counted (%s)", type(error).__name__)

    async def _write(self, counted: Counter[_Account]) -> None:
        ordered = sorted(counted)  # so that no two workers wait for each other's rows
        columns = list(zip(*ordered, strict=True))
        await self._pool.execute(
            "INSERT INTO model_accounts AS a"
            " (run_id, step, model, slot, tenant, collection, cached)"
            " SELECT c.run_id, c.step, c.model, $7, c.tenant, c.collection, c.cached"
            " FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])"
            " AS c (run_id, step, model, tenant, collection, cached)"
            # Not of a collection that is gone.
            " JOIN collections ON collections.tenant = c.tenant AND collections.name = c.collection"
            " ORDER BY c.run_id, c.step, c.model"
            " ON CONFLICT (run_id, step, model, slot) DO UPDATE SET"
            " cached = a.cached + excluded.cached",
            *columns,
            [counted[account] for account in ordered],
            self._slot,
        )


@asynccontextmanager
async def counting_known(pool: asyncpg.Pool) -> AsyncGenerator[KnownAnswers]:
    """Counts that are written once a second, and at the end of the block."""
    known = KnownAnswers(pool)

    async def keep_writing() -> None:
        while True:
            await asyncio.sleep(_WRITE_SECONDS)
            await known.write()

    writing = asyncio.create_task(keep_writing(), name="known answers")
    try:
        yield known
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await known.write()
