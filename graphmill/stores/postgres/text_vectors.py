"""Vectors that were paid for, in PostgreSQL (graphmill.llm.embedder.PaidVectors)."""

from array import array
from collections.abc import Collection, Mapping
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg

from graphmill.llm.calls import Payer
from graphmill.llm.limits import LEASE_SECONDS
from graphmill.llm.vectors import TextVector, VectorBatch
from graphmill.stores.postgres.keeping import keep
from graphmill.stores.postgres.model_accounts import add_answer
from graphmill.stores.postgres.model_claims import RELEASE_CLAIMS, ReturnedClaims


class PostgresPaidVectors:
    """`expiry`: how long a vector counts; None: for ever."""

    def __init__(self, pool: asyncpg.Pool, session: UUID, expiry: timedelta | None = None) -> None:
        self._pool = pool
        self._session = session
        self._expiry = expiry
        self._returned = ReturnedClaims(pool, session)

    async def load(self, payer: Payer, keys: Collection[bytes]) -> dict[bytes, TextVector]:
        rows = await self._pool.fetch(
            # As real[]: asyncpg reads that in binary, pgvector's own type only as text.
            "SELECT key, embedding::real[] AS vector, cut FROM text_vectors WHERE tenant = $1"
            " AND key = ANY($2::bytea[])"
            " AND ($3::interval IS NULL OR answered_at > now() - $3)",
            payer.key.tenant,
            list(keys),
            self._expiry,
        )
        return {row["key"]: TextVector(array("f", row["vector"]), row["cut"]) for row in rows}

    async def claim(self, payer: Payer, keys: Collection[bytes]) -> frozenset[bytes]:
        async with self._returned.told():
            try:
                rows = await self._pool.fetch(
                    _CLAIM, payer.key.tenant, list(keys), self._session, LEASE_SECONDS
                )
            except BaseException:
                # They may have been given: whether they were, nobody here will hear.
                self._returned.add(payer.key.tenant, keys)
                raise
        return frozenset(row["key"] for row in rows)

    async def dimensions(self, payer: Payer, model: str, found: int) -> int:
        return (
            await self._pool.fetchval(
                "INSERT INTO vector_dimensions AS d (tenant, model, dimensions) VALUES ($1, $2, $3)"
                # What no vector has any more holds nobody to it; but the first may be on their way.
                " ON CONFLICT (tenant, model) DO UPDATE SET dimensions = CASE"
                "   WHEN d.found_at > now() - interval '1 hour'"
                "   OR EXISTS (SELECT FROM text_vectors v WHERE v.tenant = $1 AND v.model = $2)"
                "   OR EXISTS (SELECT FROM vectors v WHERE v.tenant = $1 AND v.model = $2)"
                "   THEN d.dimensions ELSE excluded.dimensions END"
                " WHERE d.dimensions <> excluded.dimensions"
                " RETURNING dimensions",
                payer.key.tenant,
                model,
                found,
            )
            or found
        )

    async def save(
        self, payer: Payer, model: str, vectors: Mapping[bytes, TextVector], answer: VectorBatch
    ) -> None:
        """Though the database may be away for a while: they are paid for. Once, but for what a bad
        answer cost, which may be counted twice where the reply to its writing is lost."""
        paid = uuid4()
        await keep(lambda: self._save(payer, model, vectors, answer, paid))

    async def _save(
        self,
        payer: Payer,
        model: str,
        vectors: Mapping[bytes, TextVector],
        answer: VectorBatch,
        paid: UUID,
    ) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(_IS_SAVED, payer.key.tenant, list(vectors), paid):
                return
            await connection.executemany(
                _SAVE,
                [
                    (
                        payer.key.tenant,
                        key,
                        model,
                        payer.key.name,
                        answer.endpoint,
                        vectors[key].vector,
                        vectors[key].cut,
                        self._expiry,
                        paid,
                    )
                    for key in sorted(vectors)
                ],
            )
            await connection.execute(
                RELEASE_CLAIMS, [payer.key.tenant] * len(vectors), list(vectors), self._session
            )
            # Last, because its row is locked until the end.
            await add_answer(connection, payer, model, answer)

    def release(self, payer: Payer, keys: Collection[bytes]) -> None:
        """At once, or as soon as the database can be told."""
        self._returned.add(payer.key.tenant, keys)

    async def aclose(self) -> None:
        """When nobody asks any more."""
        await self._returned.close()


_CLAIM = """
INSERT INTO model_claims AS c (tenant, key, session)
-- In one order, so that no two workers wait for each other's rows.
SELECT $1, key, $3 FROM unnest($2::bytea[]) AS key ORDER BY key
ON CONFLICT (tenant, key) DO UPDATE SET session = excluded.session
WHERE c.session = excluded.session OR NOT EXISTS (
    SELECT FROM model_sessions s WHERE s.id = c.session
    AND s.seen_at > now() - make_interval(secs => $4))
RETURNING key
"""
_IS_SAVED = """
SELECT EXISTS (SELECT FROM text_vectors WHERE tenant = $1 AND key = ANY($2::bytea[]) AND paid = $3)
"""
_SAVE = """
INSERT INTO text_vectors AS v (tenant, key, model, collection, endpoint, embedding, cut, paid)
VALUES ($1, $2, $3, $4, $5, $6::real[]::vector, $7, $9)
-- One that is there stays, so that who has read it has read what others will.
ON CONFLICT (tenant, key) DO UPDATE SET collection = excluded.collection,
    endpoint = excluded.endpoint, embedding = excluded.embedding,
    cut = excluded.cut, answered_at = now(), paid = excluded.paid
WHERE v.answered_at <= now() - $8::interval
"""
