"""Activities on the rows of runs, and on what waits for them."""

from temporalio import activity

from activities.heartbeats import heartbeating
from graphmill.messages import (
    DocumentPage,
    FailDocument,
    OpenRun,
    PageRequest,
    Recipe,
    RunRecord,
)
from graphmill.models import DocumentState
from graphmill.ports import DocumentRecipe, IndexingStore
from graphmill.settings import ChunkSettings


class RunActivities:
    """Queue: store."""

    def __init__(
        self, store: IndexingStore, chunk: ChunkSettings, document_recipe: DocumentRecipe
    ) -> None:
        self._store = store
        self._chunk = chunk
        self._document_recipe = document_recipe

    @activity.defn
    async def open_run(self, opening: OpenRun) -> Recipe:
        """Write the run's row; decide how this run reads documents."""
        recipe = Recipe(opening.request.method, self._chunk.size, self._chunk.overlap)
        async with heartbeating():
            await self._store.open_run(opening, self._document_recipe(recipe))
        return recipe

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
        # With the recipe of the run: the failure stands until it is retried or something changes.
        await self._store.save_ended(
            failure.key,
            failure.document_id,
            None,
            DocumentState.FAILED,
            failure.reason,
            self._document_recipe(failure.recipe),
        )
