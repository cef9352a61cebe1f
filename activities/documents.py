"""The activity on one document: read it, and store what was found in one transaction."""

import contextlib

from temporalio import activity

from activities.heartbeats import heartbeating
from graphmill.errors import FailureReason, InvalidDocument, NoText, TransientError
from graphmill.messages import IndexDocumentInput, IndexDocumentResult
from graphmill.models import DocumentState, Method, ProcessedDocument
from graphmill.ports import DocumentRecipe, IndexingStore, ProcessRunner, StoredDocument
from graphmill.process_pool import ProcessDied, TaskTimedOut, TaskTooLarge
from graphmill.processing import ProcessSettings, process_document, reading
from graphmill.settings import LimitSettings

# Whether the careful parsers read, try by try. A process that dies was perhaps killed by somebody,
# so the next try is the same, and gives the same text; one that dies again was killed by the
# document.
_TRIES = (False, False, True)


class ContentGone(TransientError):
    """A document was read while its bytes were replaced."""


class DocumentActivities:
    """Queue: cpu. Parsing and extraction run in a process that may be killed."""

    def __init__(
        self,
        store: IndexingStore,
        processes: ProcessRunner,
        limits: LimitSettings,
        document_recipe: DocumentRecipe,
    ) -> None:
        self._store = store
        self._processes = processes
        self._limits = limits
        self._document_recipe = document_recipe

    @activity.defn
    async def process_document(self, input: IndexDocumentInput) -> IndexDocumentResult:
        """Parse, chunk and (method fast) extract one document; by method standard it then waits
        for extractions by a model.

        A document that cannot be read ends failed or skipped with its reason; that is a result, not
        an error. Done again after a crash, it finds what is stored.
        """
        document = await self._store.load_document(input.key, input.document_id)
        if document is None:
            return IndexDocumentResult(DocumentState.SKIPPED, "deleted meanwhile")
        if document.state is not DocumentState.PENDING:
            return IndexDocumentResult(document.state, document.reason)
        recipe = self._document_recipe(input.recipe)
        read_by = reading(input.recipe, document.version)
        fast = input.recipe.method is Method.FAST
        if not fast and document.read_by == read_by:  # a try before this one, or another method
            return IndexDocumentResult(DocumentState.PENDING)
        try:
            async with heartbeating():
                processed = await self._process(input, document)
                stored = await self._store.save_processed(
                    input.key, document, processed, read_by, recipe if fast else None
                )
        except InvalidDocument as error:
            state = DocumentState.SKIPPED if isinstance(error, NoText) else DocumentState.FAILED
            stored = await self._store.save_ended(
                input.key, document.id, document.version, state, str(error), recipe
            )
            result = IndexDocumentResult(state, str(error))
        else:
            result = IndexDocumentResult(
                DocumentState.DONE if fast else DocumentState.PENDING,
                text_units=len(processed.text_units),
                entities=sum(len(found.titles) for found in processed.extractions),
            )
        # Changed or deleted while it was read: the run meets its newer version later in line.
        return (
            result if stored else IndexDocumentResult(DocumentState.UPLOADED, "changed meanwhile")
        )

    async def _process(
        self, input: IndexDocumentInput, document: StoredDocument
    ) -> ProcessedDocument:
        limits = self._limits
        if document.size > limits.document_bytes:
            raise InvalidDocument(
                FailureReason.TOO_LARGE,
                f"this file has {document.size:,} bytes; the limit is {limits.document_bytes:,}"
                " (GRAPHMILL_LIMIT_DOCUMENT_BYTES)",
            )
        data = await self._store.load_content(input.key, document.version)
        if len(data) != document.size:
            # Bytes go with the last document that has them: it was changed or deleted just now.
            raise ContentGone("the document's bytes are no longer there; looking again")
        settings = ProcessSettings(
            chunk_size=input.recipe.chunk_size,
            chunk_overlap=input.recipe.chunk_overlap,
            limits=limits,
            extract=input.recipe.method is Method.FAST,
        )
        try:
            for careful in _TRIES:
                with contextlib.suppress(ProcessDied):
                    return await self._run(data, document.name, settings, careful=careful)
            raise InvalidDocument(
                FailureReason.CRASHED,
                "the process that read this file died each time; the file is probably damaged or"
                " made to do harm: open it and save it anew, or leave it out",
            )
        except TaskTimedOut:
            raise InvalidDocument(
                FailureReason.TIMED_OUT,
                f"reading this file took over {limits.parse_seconds:g} seconds; split it, or raise"
                " GRAPHMILL_LIMIT_PARSE_SECONDS",
            ) from None
        except TaskTooLarge:
            raise InvalidDocument(
                FailureReason.TOO_LARGE,
                f"reading this file took over {limits.parse_memory_bytes:,} bytes of memory; split"
                " it, or raise GRAPHMILL_LIMIT_PARSE_MEMORY_BYTES",
            ) from None

    async def _run(
        self, data: bytes, name: str, settings: ProcessSettings, *, careful: bool
    ) -> ProcessedDocument:
        return await self._processes.run(
            process_document,
            data,
            name,
            settings,
            careful,
            timeout_seconds=self._limits.parse_seconds,
        )
