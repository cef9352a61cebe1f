"""The activity that asks a model what is in a document's text units."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Generic, TypeVar
from uuid import UUID

from temporalio import activity

from activities.fan_out import each_of, for_each
from activities.heartbeats import heartbeating
from graphmill.llm.caller import Deferred, ModelCaller
from graphmill.llm.calls import InvalidAnswer, Payer
from graphmill.llm.faults import QuestionRefused
from graphmill.messages import IndexDocumentInput, IndexDocumentResult, Recipe
from graphmill.models import CollectionKey, DocumentState
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
# Documents whose text units are looked through at once for questions without an answer.
_DOCUMENTS_AT_ONCE = 8
# What waits is read in pages of so many.
_PAGE = 500
# Extractions, or claims, that are written together; their answers are stored already.
_WRITTEN_TOGETHER = 100


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
        options = await self._options.load_options(input.key, input.recipe.options)
        await self._extract_units(input.key, input.recipe, input.run_id, document.id, options)
        ended = await self._store.end_extracted(
            input.key,
            document,
            input.recipe.extraction,
            self._document_recipe(input.recipe),
            input.recipe.claims,
        )
        if ended is None:
            return _CHANGED
        return IndexDocumentResult(
            ended.state,
            ended.reason,
            ended.text_units,
            ended.entities,
        )

    async def extract_waiting(self, key: CollectionKey, recipe: Recipe, run_id: UUID) -> int:
        """Ask about the text units of all documents that wait and are read; returns how many have
        an answer still to come (with a caller that puts questions down for later)."""
        options = await self._options.load_options(key, recipe.options)
        deferred = 0

        async def extract(document: StoredDocument) -> None:
            nonlocal deferred
            if document.read_by == reading(recipe, document.version):
                more = await self._extract_units(key, recipe, run_id, document.id, options)
                deferred += more  # not read before the wait: other documents add to it meanwhile

        await for_each(self._waiting(key), extract, _DOCUMENTS_AT_ONCE)
        return deferred

    async def _waiting(self, key: CollectionKey) -> AsyncIterator[StoredDocument]:
        after = UUID(int=0)
        while page := await self._store.pending_documents(key, after, _PAGE):
            for document in page:
                yield document
            after = page[-1].id

    async def _extract_units(
        self,
        key: CollectionKey,
        recipe: Recipe,
        run_id: UUID | None,
        document_id: UUID,
        options: StandardOptions,
    ) -> int:
        """Of one document; returns how many have an answer still to come."""
        extractions = _Written(partial(self._store.save_extractions, key, recipe.extraction))
        claims = _Written(partial(self._store.save_claims, key, recipe.claims))
        deferred: set[UUID] = set()

        async def extract(unit: UnextractedUnit) -> None:
            payer = Payer(key, run_id, EXTRACT_GRAPH, document_id)
            await extractions.add(unit.id, await self._extract_unit(payer, unit.text, options))

        async def claim(asked: ClaimsOptions, unit: UnextractedUnit) -> None:
            payer = Payer(key, run_id, EXTRACT_CLAIMS, document_id)
            model = options.extraction_model
            await claims.add(unit.id, await self._claims_of_unit(payer, unit.text, model, asked))

        async def unless_deferred(
            unit: UnextractedUnit, ask: Callable[[UnextractedUnit], Awaitable[None]]
        ) -> None:
            try:
                await ask(unit)
            except Deferred:
                deferred.add(unit.id)

        work = [
            partial(unless_deferred, unit, extract)
            for unit in await self._store.unextracted(key, document_id, recipe.extraction)
        ]
        if recipe.claims and options.claims is not None:
            work += [
                partial(unless_deferred, unit, partial(claim, options.claims))
                for unit in await self._store.unclaimed(key, document_id, recipe.claims)
            ]
        try:
            await for_each(each_of(work), _do, min(_AT_ONCE, len(work)))
        finally:
            await extractions.write()
            await claims.write()
        return len(deferred)

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
