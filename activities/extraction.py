"""The activity that asks a model what is in a document's text units."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Generic, TypeVar
from uuid import UUID

from temporalio import activity

from activities.fan_out import each_of, for_each
from activities.heartbeats import heartbeating
from graphmill.llm.caller import ModelCaller
from graphmill.llm.calls import InvalidAnswer, Payer
from graphmill.llm.faults import QuestionRefused
from graphmill.messages import IndexDocumentInput, IndexDocumentResult
from graphmill.models import DocumentState
from graphmill.ports import (
    DocumentRecipe,
    ModelExtractionStore,
    StoredDocument,
    UnextractedUnit,
)
from graphmill.processing import reading
from graphmill.standard.claims import ClaimsOptions, claims_question, read_claims
from graphmill.standard.extract_graph import (
    extract_question,
    glean_question,
    merge_extractions,
    read_extraction,
)
from graphmill.standard.extracted import ExtractedClaims, ModelExtraction
from graphmill.standard.options import OptionsStore, StandardOptions

EXTRACT_GRAPH = "extract_graph"
EXTRACT_CLAIMS = "extract_claims"
"""The steps under which its calls are accounted."""

T = TypeVar("T")

_CHANGED = IndexDocumentResult(DocumentState.UPLOADED, "changed meanwhile")
# Text units of one document that are asked about at once: more than any endpoint has places.
_AT_ONCE = 500
# Extractions, or claims, that are written together; their answers are stored already.
_WRITTEN_TOGETHER = 20


class ExtractionActivities:
    """Queue: llm."""

    def __init__(
        self,
        store: ModelExtractionStore,
        options: OptionsStore,
        caller: ModelCaller,
        document_recipe: DocumentRecipe,
    ) -> None:
        self._store = store
        self._options = options
        self._caller = caller
        self._document_recipe = document_recipe

    @activity.defn
    async def extract_document(self, input: IndexDocumentInput) -> IndexDocumentResult:
        """Ask about each text unit of one document that has no extraction yet, or no claims where
        they are asked for.

        A text unit without a good answer leaves the document partial, or failed where there is no
        other; one without claims alone, partial. Done again after a crash, it finds what is stored,
        and pays again only for calls that were in the air.
        """
        document = await self._store.load_document(input.key, input.document_id)
        if document is None:
            return IndexDocumentResult(DocumentState.SKIPPED, "deleted meanwhile")
        if document.state is not DocumentState.PENDING:
            return IndexDocumentResult(document.state, document.reason)
        if document.read_by != reading(input.recipe, document.version):
            # Its text units are of other bytes: the run meets its newer version later in line.
            return _CHANGED
        async with heartbeating():
            return await self._extract(input, document)

    async def _extract(
        self, input: IndexDocumentInput, document: StoredDocument
    ) -> IndexDocumentResult:
        key, made_by, claims_made_by = input.key, input.recipe.extraction, input.recipe.claims
        options = await self._options.load_options(key, input.recipe.options)
        extractions = _Written(partial(self._store.save_extractions, key, made_by))
        claims = _Written(partial(self._store.save_claims, key, claims_made_by))

        async def extract(unit: UnextractedUnit) -> None:
            payer = Payer(key, input.run_id, EXTRACT_GRAPH, document.id)
            await extractions.add(unit.id, await self._extract_unit(payer, unit.text, options))

        async def claim(asked: ClaimsOptions, unit: UnextractedUnit) -> None:
            payer = Payer(key, input.run_id, EXTRACT_CLAIMS, document.id)
            model = options.extraction_model
            await claims.add(unit.id, await self._claims_of_unit(payer, unit.text, model, asked))

        work = [
            partial(extract, unit)
            for unit in await self._store.unextracted(key, document.id, made_by)
        ]
        if claims_made_by and options.claims is not None:
            unclaimed = await self._store.unclaimed(key, document.id, claims_made_by)
            work += [partial(claim, options.claims, unit) for unit in unclaimed]
        try:
            await for_each(each_of(work), _do, min(_AT_ONCE, len(work)))
        finally:
            await extractions.write()
            await claims.write()
        ended = await self._store.end_extracted(
            key, document, made_by, self._document_recipe(input.recipe), claims_made_by
        )
        if ended is None:
            return _CHANGED
        return IndexDocumentResult(
            ended.state,
            ended.reason,
            ended.text_units,
            ended.entities,
        )

    async def _extract_unit(
        self, payer: Payer, text: str, options: StandardOptions
    ) -> ModelExtraction | str:
        """What is in a text unit, or why nobody can say."""
        asked = options.extract
        question = extract_question(text, options.extraction_model, asked)
        try:
            found, told = await self._caller.ask(
                payer, question, partial(read_extraction, options=asked)
            )
            for _ in range(options.gleanings):
                question = glean_question(question, told.text, asked)
                read: Callable[[str], ModelExtraction] = partial(
                    read_extraction, options=asked, before=found
                )
                gleaned, told = await self._caller.ask(payer, question, read)
                found = merge_extractions(found, gleaned)
        except (InvalidAnswer, QuestionRefused) as error:
            return str(error)
        return found

    async def _claims_of_unit(
        self, payer: Payer, text: str, model: str, asked: ClaimsOptions
    ) -> ExtractedClaims | str:
        """What a text unit claims, or why nobody can say."""
        question = claims_question(text, model, asked)
        try:
            found, _ = await self._caller.ask(payer, question, partial(read_claims, text=text))
        except (InvalidAnswer, QuestionRefused) as error:
            return str(error)
        return found


class _Written(Generic[T]):
    """What was found in text units, or why nothing was: written some together."""

    def __init__(self, save: Callable[[Mapping[UUID, T | str]], Awaitable[None]]) -> None:
        self._save = save
        self._found: dict[UUID, T | str] = {}

    async def add(self, unit: UUID, found: T | str) -> None:
        self._found[unit] = found
        if len(self._found) >= _WRITTEN_TOGETHER:
            await self.write()

    async def write(self) -> None:
        """What was added before this call."""
        found, self._found = self._found, {}
        if found:
            await self._save(found)


async def _do(work: Callable[[], Awaitable[None]]) -> None:
    await work()
