"""IndexCollection: a collection from its uploads to a published graph.

One per collection: its id is index/TENANT/COLLECTION, and who starts it again joins it. Documents
go in pages, each a child workflow (IndexPage), a few at once; histories stay short however large
the collection is. The documents that arrive meanwhile are taken in before it ends.
"""

import asyncio
import contextlib
from typing import Any

from temporalio import workflow
from temporalio.exceptions import is_cancelled_exception

from workflows.document_pages import DocumentPages
from workflows.graph_phases import GraphPhases
from workflows.run_input import Carried, read_input
from workflows.run_standing import RunStanding

with workflow.unsafe.imports_passed_through():
    from activities.runs import RunActivities
    from graphmill.batch_messages import AskInBatchesInput, BatchedStep, BatchRun
    from graphmill.index_request import (
        ADD_DOCUMENTS,
        INDEX_COLLECTION,
        PAUSE,
        PROGRESS,
        RESUME,
    )
    from graphmill.messages import OpenRun, Recipe, RunProgress
    from graphmill.models import Phase, RunState
    from workflows.ask_in_batches import ask_in_batches
    from workflows.failures import is_over_budget, lets_others_end, words_of
    from workflows.policies import MOST_FOLDS, OPEN_RUN
    from workflows.visibility import show_collection


@workflow.defn(name=INDEX_COLLECTION)
class IndexCollection:
    """Documents, graph, communities, embeddings, publishing; then again if more has arrived."""

    def __init__(self) -> None:
        self._standing = RunStanding()
        self._pages = DocumentPages(self._standing)
        self._recipe: Recipe | None = None
        self._pause_told = False
        self._afresh = False
        self._read_only = False
        self._arrivals = 0

    @workflow.run
    async def run(self, *inputs: Any) -> RunProgress:
        """One input: the JSON of an IndexRequest. Plain, and any number: what cannot be decoded or
        called would not be refused, but tried again for ever. So would what __init__ raises."""
        self._request, carried = read_input(inputs)
        key = self._request.key
        show_collection(key)
        if carried is None:
            self._afresh = self._request.force_rebuild or self._request.recluster
        else:
            self._take_over(carried)
        try:
            if self._recipe is None:
                opening = OpenRun(self._standing.run_id, workflow.info().workflow_id, self._request)
                self._recipe = await workflow.execute_activity_method(
                    RunActivities.open_run,
                    opening,
                    summary=f"{key.tenant}/{key.name}",
                    **OPEN_RUN,
                )
                self._standing.method = self._recipe.method
            folds = 0
            while True:
                seen = self._arrivals
                if self._request.batch:
                    await self._ask_in_batches(self._recipe)
                await self._index_documents(self._recipe)
                folds += 1
                graph = GraphPhases(
                    self._request, self._recipe, self._standing, afresh=self._afresh
                )
                recipe = await graph.build(last=folds == MOST_FOLDS)
                if recipe is None:
                    continue
                self._recipe, self._afresh, folds = recipe, False, 0
                if self._arrivals == seen:
                    await self._standing.record(RunState.COMPLETED, Phase.DONE)
                    await workflow.wait_condition(workflow.all_handlers_finished)
                    # Documents that arrive from here on make the server refuse the end: the
                    # workflow task is done again, and sees them.
                    if self._arrivals == seen:
                        return self.progress()
        # Not BaseException: that is also how a run goes on as new, or leaves a worker's memory.
        except (Exception, asyncio.CancelledError) as error:
            await self._end_early(error)
            raise

    def _take_over(self, carried: Carried) -> None:
        self._recipe = carried.recipe
        self._pages.take_over(carried.cursor, carried.pages)
        self._standing.method = carried.recipe.method
        self._standing.documents = carried.counts
        if not self._pause_told:  # by a signal that came with the first task of this history
            self._standing.paused = carried.paused
        self._afresh = carried.afresh
        self._read_only = carried.read_only

    async def _ask_in_batches(self, recipe: Recipe) -> None:
        """Read all documents; then ask about those that wait for a model, in batches. What arrives
        meanwhile, for as long as a batch may take, goes into the next ones."""
        if self._pages.cursor and not self._read_only:
            return  # this history goes on where that was done
        while True:
            seen = self._arrivals
            self._read_only = True
            await self._index_documents(recipe)
            self._read_only = False
            await ask_in_batches(
                AskInBatchesInput(
                    BatchRun(self._request.key, self._standing.run_id),
                    BatchedStep.EXTRACTIONS,
                    recipe=recipe,
                )
            )
            if self._arrivals == seen:
                return

    async def _index_documents(self, recipe: Recipe) -> None:
        await self._standing.enter(Phase.DOCUMENTS)
        if not await self._pages.take_in(self._request, recipe, read_only=self._read_only):
            await self._go_on_as_new(recipe)

    async def _go_on_as_new(self, recipe: Recipe) -> None:
        """A new history; no page is open across it, so nothing has to be handed over."""
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(
            args=[
                self._request.to_json(),
                Carried(
                    recipe,
                    self._pages.cursor,
                    self._pages.number,
                    self._standing.documents,
                    self._standing.paused,
                    self._afresh,
                    self._read_only,
                ),
            ]
        )

    async def _end_early(self, error: BaseException) -> None:
        """Cancelled, over its budget, or failed: documents that wait go on waiting, the published
        graph stands."""
        standing = self._standing
        if self._pages.open and not standing.paused and lets_others_end(error):
            # Its pages end by themselves: calls that are in the air for them are paid for.
            with contextlib.suppress(asyncio.CancelledError):
                await self._pages.finish()
        await self._pages.cancel()
        if is_cancelled_exception(error):
            await standing.record(RunState.CANCELLED, standing.phase, "cancelled")
        elif is_over_budget(error):
            await standing.record(RunState.OVER_BUDGET, standing.phase, words_of(error))
        else:
            await standing.record(RunState.FAILED, standing.phase, words_of(error))

    @workflow.signal(name=PAUSE)
    async def pause(self, *unused: Any) -> None:
        """Start no further document or phase; what is in flight ends."""
        await self._set_paused(True)

    @workflow.signal(name=RESUME)
    async def resume(self, *unused: Any) -> None:
        await self._set_paused(False)

    async def _set_paused(self, paused: bool) -> None:
        self._standing.paused = paused
        self._pause_told = True
        await workflow.wait_condition(lambda: self._recipe is not None)
        await self._pages.tell_pause()
        await self._standing.record_pause()

    @workflow.signal(name=ADD_DOCUMENTS)
    def add_documents(self, *unused: Any) -> None:
        """Documents were uploaded: the run does not end before it has looked for them."""
        self._arrivals += 1

    @workflow.query(name=PROGRESS)
    def progress(self) -> RunProgress:
        standing = self._standing
        return RunProgress(
            standing.run_id, standing.state, standing.phase, standing.documents, self._pages.open
        )
