"""The activity that asks a model what is in a document's text units."""

from collections.abc import Callable
from functools import partial
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
from graphmill.standard.extract_graph import (
    extract_question,
    glean_question,
    merge_extractions,
    read_extraction,
)
from graphmill.standard.extracted import ModelExtraction
from graphmill.standard.options import OptionsStore, StandardOptions

EXTRACT_GRAPH = "extract_graph"
"""The step under which its calls are accounted."""

_CHANGED = IndexDocumentResult(DocumentState.UPLOADED, "changed meanwhile")
# Text units of one document that are asked about at once: more than any endpoint has places.
_AT_ONCE = 500
# Extractions that are written together; their answers are stored already.
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
        """Ask about each text unit of one document that has no extraction yet.

        A text unit without a good answer leaves the document partial, or failed where there is no
        other. Done again after a crash, it
        finds what is stored, and pays again only for calls that were in the air.
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
        key, made_by = input.key, input.recipe.extraction
        options = await self._options.load_options(key, input.recipe.options)
        units = await self._store.unextracted(key, document.id, made_by)
        payer = Payer(key, input.run_id, EXTRACT_GRAPH, document.id)
        found: dict[UUID, ModelExtraction | str] = {}

        async def extract(unit: UnextractedUnit) -> None:
            found[unit.id] = await self._extract_unit(payer, unit.text, options)
            if len(found) >= _WRITTEN_TOGETHER:
                written = dict(found)
                found.clear()
                await self._store.save_extractions(key, made_by, written)

        try:
            await for_each(each_of(units), extract, min(_AT_ONCE, len(units)))
        finally:
            await self._store.save_extractions(key, made_by, found)
        ended = await self._store.end_extracted(
            key, document, made_by, self._document_recipe(input.recipe)
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
