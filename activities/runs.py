"""Activities on the rows of runs, and on what waits for them."""

import logging
from dataclasses import replace

from temporalio import activity

from activities.heartbeats import heartbeating
from graphmill.errors import InvalidRequest
from graphmill.index_request import FAST_BATCH, IndexRequest
from graphmill.messages import (
    DocumentPage,
    FailDocument,
    OpenRun,
    PageRequest,
    Recipe,
    RunRecord,
)
from graphmill.models import DocumentState, Method
from graphmill.ports import DocumentRecipe, IndexingStore
from graphmill.priority_settings import PrioritySettings
from graphmill.settings import ChunkSettings
from graphmill.standard.options import OptionsStore, PromptStore, StandardOptions

_logger = logging.getLogger(__name__)


class RunActivities:
    """Queue: store."""

    def __init__(
        self,
        store: IndexingStore,
        options: OptionsStore,
        prompts: PromptStore,
        chunk: ChunkSettings,
        standard_options: StandardOptions | None,
        document_recipe: DocumentRecipe,
        embeddings: str = "",
        priorities: PrioritySettings | None = None,
        *,
        priced: bool = True,
        embeddings_priced: bool = True,
    ) -> None:
        """`standard_options`: of method standard, None where there is no model. `embeddings`: the
        model of an endpoint that embeds, "" for the local one. `priced`, `embeddings_priced`:
        whether it is known what the models cost that method standard asks, and that one."""
        self._store = store
        self._options = options
        self._prompts = prompts
        self._chunk = chunk
        self._standard_options = standard_options
        self._document_recipe = document_recipe
        self._embeddings = embeddings
        self._priorities = priorities or PrioritySettings()
        self._priced = priced
        self._embeddings_priced = embeddings_priced

    @activity.defn
    async def open_run(self, opening: OpenRun) -> Recipe:
        """Write the run's row; decide how this run reads documents."""
        request = opening.request
        default = Method.FAST if self._standard_options is None else Method.STANDARD
        method = request.method or default
        try:
            recipe, options = await self._decide(request, method)
        except InvalidRequest as error:
            # `status` tells it, and not the run before.
            await self._store.refuse_run(opening, method, str(error))
            raise
        async with heartbeating():
            await self._store.open_run(opening, method, self._document_recipe(recipe))
            if options is not None:
                await self._options.save_options(opening.request.key, options)
            to_embed = await self._store.graph_to_embed(request.key, self._embeddings)
            model_gaps = await self._store.has_model_gaps(request.key)
        return replace(recipe, to_embed=to_embed, model_gaps=model_gaps)

    async def _decide(
        self, request: IndexRequest, method: Method
    ) -> tuple[Recipe, StandardOptions | None]:
        recipe = Recipe(
            method,
            self._chunk.size,
            self._chunk.overlap,
            embeddings=self._embeddings,
            small=self._priorities.sizes,
            small_documents=self._priorities.documents,
        )
        options = self._standard_options if method is Method.STANDARD else None
        if options is not None:
            own = await self._prompts.load_prompts(request.key)
            options = options.for_collection(own)
            recipe = replace(
                recipe,
                options=options.digest,
                extraction=options.extraction_digest,
                claims=options.claims_digest,
            )
        elif method is Method.STANDARD:
            raise InvalidRequest(
                "method standard asks a model, and no endpoint is set; set OPENAI_BASE_URL and"
                " OPENAI_MODEL, or index with method fast, which needs none"
            )
        if request.batch and options is None:
            raise InvalidRequest(FAST_BATCH)
        priced = self._embeddings_priced and (options is None or self._priced)
        if request.budget_usd and not priced:
            raise InvalidRequest(
                "the run has a budget, and what its models cost is not known; set prompt_price and"
                " completion_price of every one of [[endpoints]] in graphmill.toml"
                " (OPENAI_PROMPT_PRICE and OPENAI_COMPLETION_PRICE where there is but that one; 0"
                " where it costs nothing; OPENAI_EMBEDDING_PRICE, or the endpoint's prices, for"
                " embeddings), or index without a budget"
            )
        return recipe, options

    @activity.defn
    async def record_run(self, record: RunRecord) -> RunRecord:
        """Write the run's state and phase for `status`."""
        return await self._store.record_run(record)

    @activity.defn
    async def next_page(self, request: PageRequest) -> DocumentPage:
        """Plan what was uploaded, and give the next documents that wait."""
        async with heartbeating():
            return await self._store.next_page(request.key, request.after, request.limit)

    @activity.defn
    async def fail_document(self, failure: FailDocument) -> None:
        """End a document failed that could not end by itself."""
        _logger.warning("document failed: %s", failure.reason)
        # With the recipe of the run: the failure stands until it is retried or something changes.
        await self._store.save_ended(
            failure.key,
            failure.document_id,
            None,
            DocumentState.FAILED,
            failure.reason,
            self._document_recipe(failure.recipe),
        )
