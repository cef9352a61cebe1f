"""What models found in text units, in PostgreSQL (ports.ModelExtractionStore)."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from uuid import UUID

import asyncpg

from graphmill.models import CollectionKey
from graphmill.ports import ExtractedDocument, StoredDocument, UnextractedUnit
from graphmill.standard.extracted import STRENGTH_STEPS, ExtractedClaims, ModelExtraction, Statement
from graphmill.stores.postgres.indexing import PostgresIndexingStore, stored_document


class PostgresModelExtractionStore:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def load_document(self, key: CollectionKey, document_id: UUID) -> StoredDocument | None:
        return await PostgresIndexingStore(self._pool).load_document(key, document_id)

    async def pending_documents(
        self, key: CollectionKey, after: UUID, limit: int
    ) -> tuple[StoredDocument, ...]:
        rows = await self._pool.fetch(
            "SELECT id, name, version, size, state, reason, read_by FROM documents"
            " WHERE tenant = $1 AND collection = $2 AND id > $3 AND state = 'pending'"
            " ORDER BY id LIMIT $4",
            key.tenant,
            key.name,
            after,
            limit,
        )
        return tuple(stored_document(row) for row in rows)

    async def unextracted(
        self, key: CollectionKey, document_id: UUID, made_by: str
    ) -> tuple[UnextractedUnit, ...]:
        return await self._units_without("model_extractions", key, document_id, made_by)

    async def unclaimed(
        self, key: CollectionKey, document_id: UUID, made_by: str
    ) -> tuple[UnextractedUnit, ...]:
        return await self._units_without("claim_extractions", key, document_id, made_by)

    async def _units_without(
        self, table: str, key: CollectionKey, document_id: UUID, made_by: str
    ) -> tuple[UnextractedUnit, ...]:
        rows = await self._pool.fetch(
            "SELECT id, text FROM text_units t"
            " WHERE tenant = $1 AND collection = $2 AND document_id = $3 AND live AND NOT EXISTS ("
            f"   SELECT FROM {table} e WHERE e.tenant = $1 AND e.collection = $2"
            "   AND e.text_unit_id = t.id AND e.made_by = $4 AND e.failure = '')"
            " ORDER BY position",
            key.tenant,
            key.name,
            document_id,
            made_by,
        )
        return tuple(UnextractedUnit(row["id"], row["text"]) for row in rows)

    async def save_extractions(
        self,
        key: CollectionKey,
        made_by: str,
        extractions: Mapping[UUID, ModelExtraction | str],
    ) -> None:
        await self._pool.executemany(
            _SAVE,
            [(key.tenant, key.name, id, made_by, *_row(of)) for id, of in extractions.items()],
        )

    async def save_claims(
        self, key: CollectionKey, made_by: str, claims: Mapping[UUID, ExtractedClaims | str]
    ) -> None:
        await self._pool.executemany(
            _SAVE_CLAIMS,
            [(key.tenant, key.name, id, made_by, *_claims_row(of)) for id, of in claims.items()],
        )

    async def end_extracted(
        self,
        key: CollectionKey,
        document: StoredDocument,
        made_by: str,
        recipe: bytes,
        claims_made_by: str = "",
    ) -> ExtractedDocument | None:
        async with self._pool.acquire() as connection, connection.transaction():
            found = await connection.fetchrow(_COUNT, key.tenant, key.name, document.id, made_by)
            assert found is not None  # an aggregate always has its row
            extracted = ExtractedDocument(
                found["text_units"], found["entities"], found["failed"], found["failure"] or ""
            )
            if claims_made_by:
                claims = await connection.fetchrow(
                    _COUNT_CLAIMS, key.tenant, key.name, document.id, claims_made_by
                )
                assert claims is not None
                extracted = replace(
                    extracted,
                    failed_claims=claims["failed"],
                    claims_failure=claims["failure"] or "",
                )
            current = await connection.fetchval(
                "UPDATE documents SET state = $6, reason = $7, recipe = $8, ended_at = now()"
                " WHERE tenant = $1 AND collection = $2 AND id = $3 AND version = $4"
                " AND read_by = $5 AND state = 'pending' RETURNING true",
                key.tenant,
                key.name,
                document.id,
                document.version,
                document.read_by,
                extracted.state,
                extracted.reason,
                recipe,
            )
        return extracted if current else None


def _row(extraction: ModelExtraction | str) -> tuple[object, ...]:
    failure = extraction if isinstance(extraction, str) else ""
    found = ModelExtraction() if isinstance(extraction, str) else extraction
    places = {entity.title: place for place, entity in enumerate(found.entities)}
    described = [
        (place, text) for place, entity in enumerate(found.entities) for text in entity.descriptions
    ]
    statements: list[tuple[int, int, Statement]] = [
        (places[one.source], places[one.target], statement)
        for one in found.relationships
        for statement in one.statements
    ]
    return (
        failure,
        [entity.title for entity in found.entities],
        [entity.type for entity in found.entities],
        [place for place, _ in described],
        [text for _, text in described],
        [source for source, _, _ in statements],
        [target for _, target, _ in statements],
        [statement.type for _, _, statement in statements],
        [statement.description for _, _, statement in statements],
        [round(statement.strength * STRENGTH_STEPS) for _, _, statement in statements],
        json.dumps(asdict(found.pruned)),
        found.added_ends,
    )


def _claims_row(claims: ExtractedClaims | str) -> tuple[object, ...]:
    failure = claims if isinstance(claims, str) else ""
    found = ExtractedClaims() if isinstance(claims, str) else claims
    return (
        failure,
        [one.subject for one in found.claims],
        [one.object for one in found.claims],
        [one.type for one in found.claims],
        [one.description for one in found.claims],
        [one.status for one in found.claims],
        [one.start_date for one in found.claims],
        [one.end_date for one in found.claims],
        [one.source_text for one in found.claims],
        json.dumps(found.left_out),
    )


_SAVE = """
INSERT INTO model_extractions
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15::jsonb, $16
WHERE EXISTS (SELECT FROM text_units WHERE tenant = $1 AND collection = $2 AND id = $3)
ON CONFLICT (tenant, collection, text_unit_id) DO UPDATE SET
    made_by = excluded.made_by, failure = excluded.failure, titles = excluded.titles,
    types = excluded.types, described = excluded.described, descriptions = excluded.descriptions,
    sources = excluded.sources, targets = excluded.targets,
    statement_types = excluded.statement_types, statements = excluded.statements,
    strengths = excluded.strengths, pruned = excluded.pruned, added_ends = excluded.added_ends
"""

_COUNT = """
SELECT count(*) AS text_units,
       coalesce(sum(cardinality(e.titles)), 0) AS entities,
       count(*) FILTER (WHERE e.failure <> '') AS failed,
       (array_agg(e.failure ORDER BY t.position) FILTER (WHERE e.failure <> ''))[1] AS failure
FROM text_units t JOIN model_extractions e
    ON e.tenant = $1 AND e.collection = $2 AND e.text_unit_id = t.id AND e.made_by = $4
WHERE t.tenant = $1 AND t.collection = $2 AND t.document_id = $3 AND t.live
"""

_SAVE_CLAIMS = """
INSERT INTO claim_extractions
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::jsonb
WHERE EXISTS (SELECT FROM text_units WHERE tenant = $1 AND collection = $2 AND id = $3)
ON CONFLICT (tenant, collection, text_unit_id) DO UPDATE SET
    made_by = excluded.made_by, failure = excluded.failure, subjects = excluded.subjects,
    objects = excluded.objects, types = excluded.types, descriptions = excluded.descriptions,
    statuses = excluded.statuses, start_dates = excluded.start_dates,
    end_dates = excluded.end_dates, source_texts = excluded.source_texts,
    left_out = excluded.left_out
"""

_COUNT_CLAIMS = """
SELECT count(*) FILTER (WHERE e.failure <> '') AS failed,
       (array_agg(e.failure ORDER BY t.position) FILTER (WHERE e.failure <> ''))[1] AS failure
FROM text_units t JOIN claim_extractions e
    ON e.tenant = $1 AND e.collection = $2 AND e.text_unit_id = t.id AND e.made_by = $4
WHERE t.tenant = $1 AND t.collection = $2 AND t.document_id = $3 AND t.live
"""
