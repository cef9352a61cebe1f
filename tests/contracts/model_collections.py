"""Collections for the suites: documents in which a model found what a test writes down itself."""

from collections.abc import Mapping, Sequence

import asyncpg

from graphmill.ids import document_id, text_unit_id
from graphmill.models import CollectionKey, Page, ParsedDocument, ProcessedDocument, TextUnit
from graphmill.standard.claims import ExtractedClaims
from graphmill.standard.extract_graph import (
    ExtractedEntity,
    ExtractedRelationship,
    ModelExtraction,
    Statement,
)
from graphmill.stores.postgres.indexing import PostgresIndexingStore
from graphmill.stores.postgres.model_extractions import PostgresModelExtractionStore
from tests.contracts.collections import KEY, READ_BY, RECIPE, upload

MADE_BY = "a model"

Found = Sequence[ModelExtraction | str]
"""What there is in a document's text units, one by one; text says why there is nothing."""

Claimed = Sequence[ExtractedClaims | str]
"""What a document's first text units claim, in the same way."""


def extraction(
    entities: Mapping[str, tuple[str, Sequence[str]]],
    relationships: Mapping[tuple[str, str], Sequence[Statement]] | None = None,
) -> ModelExtraction:
    """Entities by title, with type and descriptions; the ends of relationships are entities too."""
    relationships = relationships or {}
    ends = {end: ("", ()) for pair in relationships for end in pair}
    return ModelExtraction(
        tuple(
            ExtractedEntity(title, type, tuple(sorted(set(descriptions))))
            for title, (type, descriptions) in sorted((ends | dict(entities)).items())
        ),
        tuple(
            ExtractedRelationship(*pair, tuple(sorted(statements)))
            for pair, statements in sorted(relationships.items())
        ),
    )


def read(name: str, units: int) -> ProcessedDocument:
    """A document of so many text units, in which nothing has been found yet."""
    id = document_id(name)
    texts = [f"{name} {position}" for position in range(units)]
    text = "\n".join(texts)
    return ProcessedDocument(
        ParsedDocument("txt", name, text, (Page(1, 0, len(text)),)),
        tuple(
            TextUnit(text_unit_id(id, position, text), id, position, text, 3, 1, 1)
            for position, text in enumerate(texts)
        ),
        (),
    )


async def index_found(
    pool: asyncpg.Pool,
    documents: Mapping[str, Found],
    key: CollectionKey = KEY,
    claims: Mapping[str, Claimed] | None = None,
) -> None:
    """Upload, plan and store these documents as a run would whose model finds this in them."""
    store, extractions = PostgresIndexingStore(pool), PostgresModelExtractionStore(pool)
    await upload(
        pool, {name: repr((name, found)).encode() for name, found in documents.items()}, key
    )
    await store.next_page(key, 0, 1000)
    for name, found in documents.items():
        stored = await store.load_document(key, document_id(name))
        assert stored is not None
        document = read(name, len(found))
        assert await store.save_processed(key, stored, document, READ_BY, None)
        stored = await store.load_document(key, document_id(name))
        assert stored is not None
        by_unit = {unit.id: of for unit, of in zip(document.text_units, found, strict=True)}
        await extractions.save_extractions(key, MADE_BY, by_unit)
        claimed = (claims or {}).get(name, ())
        by_unit = {unit.id: of for unit, of in zip(document.text_units, claimed, strict=False)}
        await extractions.save_claims(key, MADE_BY, by_unit)
        assert await extractions.end_extracted(key, stored, MADE_BY, RECIPE)
