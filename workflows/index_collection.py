"""IndexCollection: a collection from its uploads to a published graph.

One per collection: its id is index/TENANT/COLLECTION, and who starts it again joins it. Documents
go in pages, each a child workflow (IndexPage), a few at once; histories stay short however large
the collection is. The documents that arrive meanwhile are taken in before it ends.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from temporalio import workflow
from temporalio.common import Priority
from temporalio.exceptions import (
    ApplicationError,
    ChildWorkflowError,
    FailureError,
    TerminatedError,
    is_cancelled_exception,
)
from temporalio.workflow import ChildWorkflowHandle

with workflow.unsafe.imports_passed_through():
    from activities.embeddings import EmbeddingActivities
    from activities.graph import GraphActivities
    from activities.resolution import ResolutionActivities
    from activities.runs import RunActivities
    from activities.summaries import SummaryActivities
    from graphmill.errors import InvalidRequest
    from graphmill.messages import (
        ADD_DOCUMENTS,
        COMMUNITY_FULL_CONTENT,
        ENTITY_DESCRIPTION,
        INDEX_COLLECTION,
        PAUSE,
        PROGRESS,
        RESUME,
        TEXT_UNIT_TEXT,
        VECTOR_INDEXES,
        AskInBatchesInput,
        BatchedStep,
        BatchRun,
        DocumentCounts,
        EmbedRequest,
        GraphRef,
        IndexPageInput,
        IndexRequest,
        MergedGraph,
        MergeGraph,
        OpenRun,
        PageRequest,
        Recipe,
        RunProgress,
        RunRecord,
        WaitingDocument,
        index_workflow_id,
    )
    from graphmill.models import Method, Phase, RunState
    from graphmill.search_attributes import collection_attributes
    from workflows.ask_in_batches import ask_in_batches, ask_of_graph
    from workflows.build_communities import BuildCommunities
    from workflows.children import when_free
    from workflows.failures import is_over_budget, words_of
    from workflows.index_page import IndexPage
    from workflows.policies import (
        EMBED,
        FOLD_GRAPH,
        IN_FLIGHT_PER_PAGE,
        IN_FLIGHT_PER_PAGE_STANDARD,
        MERGE_GRAPH,
        NEXT_PAGE,
        OPEN_GRAPH,
        OPEN_PAGES,
        OPEN_PAGES_STANDARD,
        OPEN_RUN,
        PAGE_DOCUMENTS,
        PAGES_PER_RUN,
        PUBLISH_GRAPH,
        RECORD_RUN,
        RESOLVE_ENTITIES,
        SUMMARIZE_DESCRIPTIONS,
    )
    from workflows.shards import in_shards
    from workflows.visibility import show_collection, show_state


@dataclass(frozen=True, slots=True)
class Carried:
    """What goes on as new: IndexCollection's second input, never written by people."""

    recipe: Recipe
    cursor: int
    pages: int
    counts: DocumentCounts
    paused: bool
    afresh: bool
    read_only: bool = False


@workflow.defn(name=INDEX_COLLECTION)
class IndexCollection:
    """Documents, graph, communities, embeddings, publishing; then again if more has arrived."""

    def __init__(self) -> None:
        self._state = RunState.RUNNING
        self._phase = Phase.STARTING
        self._recipe: Recipe | None = None
        self._cursor = 0
        self._pages = 0
        self._pages_before = 0
        self._ended = DocumentCounts()
        self._paused = False
        self._pause_told = False
        self._afresh = False
        self._read_only = False
        self._arrivals = 0
        self._recording = asyncio.Lock()
        self._open: dict[asyncio.Task[None], ChildWorkflowHandle[IndexPage, DocumentCounts]] = {}

    @property
    def _run_id(self) -> UUID:
        """Stays the same however often the workflow goes on as new."""
        return UUID(workflow.info().first_execution_run_id)

    @workflow.run
    async def run(self, *inputs: Any) -> RunProgress:
        """One input: the JSON of an IndexRequest. Plain, and any number: what cannot be decoded or
        called would not be refused, but tried again for ever. So would what __init__ raises."""
        self._request, carried = _check(inputs)
        key = self._request.key
        show_collection(key)
        if carried is None:
            self._afresh = self._request.force_rebuild
        else:
            self._take_over(carried)
        try:
            if self._recipe is None:
                self._recipe = await workflow.execute_activity_method(
                    RunActivities.open_run,
                    OpenRun(self._run_id, workflow.info().workflow_id, self._request),
                    summary=f"{key.tenant}/{key.name}",
                    **OPEN_RUN,
                )
            while True:
                seen = self._arrivals
                if self._request.batch:
                    await self._ask_in_batches(self._recipe)
                await self._index_documents(self._recipe)
                await self._build_graph(self._recipe)
                if self._arrivals == seen:
                    await self._record(RunState.COMPLETED, Phase.DONE)
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
        self._cursor = carried.cursor
        self._pages = self._pages_before = carried.pages
        self._ended = carried.counts
        if not self._pause_told:  # by a signal that came with the first task of this history
            self._paused = carried.paused
        self._afresh = carried.afresh
        self._read_only = carried.read_only

    async def _ask_in_batches(self, recipe: Recipe) -> None:
        """Read all documents; then ask about those that wait for a model, in batches. What arrives
        meanwhile, for as long as a batch may take, goes into the next ones."""
        if self._cursor and not self._read_only:
            return  # this history goes on where that was done
        while True:
            seen = self._arrivals
            self._read_only = True
            await self._index_documents(recipe)
            self._read_only = False
            await ask_in_batches(
                AskInBatchesInput(
                    BatchRun(self._request.key, self._run_id),
                    BatchedStep.EXTRACTIONS,
                    recipe=recipe,
                )
            )
            if self._arrivals == seen:
                return

    async def _index_documents(self, recipe: Recipe) -> None:
        """Page after page until nothing waits any more; read only, until all is read."""
        await self._record(self._running, Phase.DOCUMENTS)
        open_pages = OPEN_PAGES_STANDARD if recipe.method is Method.STANDARD else OPEN_PAGES
        while True:
            await workflow.wait_condition(lambda: not self._paused)
            if (
                self._pages - self._pages_before >= PAGES_PER_RUN
                # Many rounds of few documents, or signals, make a long history too.
                or workflow.info().is_continue_as_new_suggested()
            ):
                await self._go_on_as_new(recipe)
            page = await workflow.execute_activity_method(
                RunActivities.next_page,
                PageRequest(self._request.key, self._cursor, PAGE_DOCUMENTS),
                summary=f"after {self._cursor}",
                **NEXT_PAGE,
            )
            if page.documents:
                self._cursor = page.last
                await self._open_page(recipe, page.documents)
                if len(self._open) >= open_pages:
                    await self._wait_for_a_page()
            elif self._open:
                await self._wait_for_a_page()
            elif self._read_only:
                # What is met late is read when it is indexed.
                self._cursor = 0
                return
            elif self._cursor > 0:
                # Positions become visible in another order than they are given: look once more
                # from the start, when nothing is in flight that could be met twice.
                self._cursor = 0
            else:
                return

    async def _open_page(self, recipe: Recipe, documents: tuple[WaitingDocument, ...]) -> None:
        self._pages += 1
        key, priority = self._request.key, self._request.priority
        told = self._paused
        standard = recipe.method is Method.STANDARD

        async def start() -> ChildWorkflowHandle[IndexPage, DocumentCounts]:
            nonlocal told
            told = self._paused  # as it is at this try: an earlier one may have been long ago
            return await workflow.start_child_workflow(
                IndexPage.run,
                IndexPageInput(
                    key,
                    recipe,
                    documents,
                    IN_FLIGHT_PER_PAGE_STANDARD if standard else IN_FLIGHT_PER_PAGE,
                    priority,
                    told,
                    self._run_id if standard else None,
                    self._read_only,
                ),
                id=f"page/{key.tenant}/{key.name}/{self._pages}",
                static_summary=f"{len(documents)} documents of {key.name}",
                priority=Priority(priority_key=priority, fairness_key=key.tenant),
                search_attributes=collection_attributes(key),
            )

        handle = await when_free(start)
        task = asyncio.create_task(self._await_page(handle))
        self._open[task] = handle
        if self._paused != told:  # said while the server was starting it
            await self._tell_pause(handle)

    async def _await_page(self, handle: ChildWorkflowHandle[IndexPage, DocumentCounts]) -> None:
        try:
            # Not `+=`: it reads the sum before it waits, and loses what other pages add meanwhile.
            ended = await handle
            self._ended = self._ended + ended
        except ChildWorkflowError as error:
            if not isinstance(error.cause, TerminatedError):
                raise
            # Somebody terminated it: its documents still wait, and are met on the second look.
            workflow.logger.warning("a page ended early; its documents go in line again")

    async def _wait_for_a_page(self) -> None:
        done, _ = await workflow.wait(self._open, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            del self._open[task]
            await task
        self._describe()

    async def _go_on_as_new(self, recipe: Recipe) -> None:
        """A new history; no page is open across it, so nothing has to be handed over."""
        while self._open:
            await self._wait_for_a_page()
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(
            args=[
                self._request.to_json(),
                Carried(
                    recipe,
                    self._cursor,
                    self._pages,
                    self._ended,
                    self._paused,
                    self._afresh,
                    self._read_only,
                ),
            ]
        )

    async def _build_graph(self, recipe: Recipe) -> None:
        """Fold, cluster, report, embed, publish; nothing where the published graph stands."""
        key = self._request.key
        await self._record(self._running, Phase.GRAPH)
        if recipe.method is Method.STANDARD:
            merged = await self._merge_with_model(recipe)
        else:
            merged = await workflow.execute_activity_method(
                GraphActivities.merge_graph, MergeGraph(key, self._afresh), **MERGE_GRAPH
            )
        self._afresh = False
        if merged.graph_id is None:
            await self._embed_published(recipe)
            return
        graph = self._graph(recipe, merged.graph_id)
        await self._pausable()
        await self._record(self._running, Phase.COMMUNITIES)
        # What needs no reports is embedded beside them: other workers, other cores.
        await _together(
            when_free(
                lambda: workflow.execute_child_workflow(
                    BuildCommunities.run,
                    graph,
                    id=f"communities/{key.tenant}/{key.name}",
                    static_summary=f"{merged.entities} entities, {merged.relationships}"
                    " relationships",
                    search_attributes=collection_attributes(key),
                )
            ),
            self._embed(graph, TEXT_UNIT_TEXT),
            self._embed(graph, ENTITY_DESCRIPTION),
        )
        await self._pausable()
        await self._record(self._running, Phase.EMBEDDINGS)
        await self._embed(graph, COMMUNITY_FULL_CONTENT)
        await self._publish(recipe, graph)

    async def _embed_published(self, recipe: Recipe) -> None:
        """The published graph stands; its vectors too, unless another model is to embed it."""
        if recipe.to_embed is None:
            return
        graph = self._graph(recipe, recipe.to_embed)
        await self._pausable()
        await self._record(self._running, Phase.EMBEDDINGS)
        for vector_index in VECTOR_INDEXES:
            await self._embed(graph, vector_index)
        await self._publish(recipe, graph)

    async def _publish(self, recipe: Recipe, graph: GraphRef) -> None:
        await self._pausable()
        await self._record(self._running, Phase.PUBLISHING)
        await workflow.execute_activity_method(
            GraphActivities.publish_graph, graph, **PUBLISH_GRAPH
        )
        # Whatever the published graph was embedded by before, it is not now.
        self._recipe = replace(recipe, to_embed=None)

    async def _merge_with_model(self, recipe: Recipe) -> MergedGraph:
        """Resolve entities, fold, summarise descriptions."""
        merge = MergeGraph(self._request.key, self._afresh, recipe.options)
        graph_id = await workflow.execute_activity_method(
            GraphActivities.open_graph, merge, **OPEN_GRAPH
        )
        if graph_id is None:
            return MergedGraph(None)
        graph = self._graph(recipe, graph_id)
        await workflow.execute_activity_method(
            ResolutionActivities.resolve_entities, graph, **RESOLVE_ENTITIES
        )
        merged = await workflow.execute_activity_method(
            GraphActivities.fold_graph, graph, **FOLD_GRAPH
        )
        if merged.to_summarize:
            await self._pausable()
            await self._record(self._running, Phase.DESCRIPTIONS)
            await ask_of_graph(BatchedStep.DESCRIPTIONS, graph, merged.to_summarize)
            await in_shards(
                SummaryActivities.summarize_descriptions,
                graph,
                merged.to_summarize,
                "descriptions",
                SUMMARIZE_DESCRIPTIONS,
            )
        return merged

    def _graph(self, recipe: Recipe, graph_id: int) -> GraphRef:
        if recipe.method is Method.STANDARD:
            run = self._run_id, recipe.options
            return GraphRef(
                self._request.key, graph_id, *run, recipe.embeddings, self._request.batch
            )
        return GraphRef(self._request.key, graph_id, embeddings=recipe.embeddings)

    async def _embed(self, graph: GraphRef, vector_index: str) -> None:
        await workflow.execute_activity_method(
            EmbeddingActivities.embed,
            EmbedRequest(graph.key, graph.graph_id, vector_index, graph.embeddings, self._run_id),
            summary=vector_index,
            **EMBED,
        )

    async def _pausable(self) -> None:
        await workflow.wait_condition(lambda: not self._paused)

    @property
    def _running(self) -> RunState:
        return RunState.PAUSED if self._paused else RunState.RUNNING

    async def _record(self, state: RunState, phase: Phase, reason: str = "") -> None:
        """Say where the run is: to `status` (PostgreSQL), the Web UI and the progress query.

        In a task of its own: who is cancelled here goes on at once, but what is said next is
        written after this, never before.
        """
        await asyncio.shield(asyncio.create_task(self._write(state, phase, reason)))

    async def _write(self, state: RunState, phase: Phase, reason: str) -> None:
        async with self._recording:
            await self._write_in_turn(state, phase, reason)

    async def _write_pause(self) -> None:
        """Nothing where the run has said how it ended: that stays its last word."""
        async with self._recording:
            if self._state in (RunState.RUNNING, RunState.PAUSED):
                await self._write_in_turn(self._running, self._phase, "")

    async def _write_in_turn(self, state: RunState, phase: Phase, reason: str) -> None:
        if state is not self._state or phase is Phase.DOCUMENTS:
            show_state(state)
        self._state, self._phase = state, phase
        self._describe()
        recorded = await workflow.execute_activity_method(
            RunActivities.record_run,
            RunRecord(self._run_id, state, phase, reason),
            summary=f"{state}, {phase}",
            **RECORD_RUN,
        )
        if recorded.state is not state:  # completed, but documents stand failed
            self._state = recorded.state
            show_state(recorded.state)
            self._describe()

    async def _end_early(self, error: BaseException) -> None:
        """Cancelled, over its budget, or failed: documents that wait go on waiting, the published
        graph stands."""
        if self._open and is_over_budget(error) and not self._paused:
            # Its pages end by themselves: calls that are in the air for them are paid for.
            with contextlib.suppress(asyncio.CancelledError):
                await workflow.wait(self._open)
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        if is_cancelled_exception(error):
            await self._record(RunState.CANCELLED, self._phase, "cancelled")
        elif is_over_budget(error):
            await self._record(RunState.OVER_BUDGET, self._phase, words_of(error))
        else:
            await self._record(RunState.FAILED, self._phase, words_of(error))

    def _describe(self) -> None:
        ended = self._ended
        by = f" by method {self._recipe.method}" if self._recipe else ""
        workflow.set_current_details(
            f"{self._state}, {self._phase}{by}: {ended.done} documents done, {ended.failed} failed,"
            f" {ended.skipped} skipped"
            + (f", {ended.partial} partial" if ended.partial else "")
            + " in this run"
        )

    @workflow.signal(name=PAUSE)
    async def pause(self) -> None:
        """Start no further document or phase; what is in flight ends."""
        await self._set_paused(True)

    @workflow.signal(name=RESUME)
    async def resume(self) -> None:
        await self._set_paused(False)

    async def _set_paused(self, paused: bool) -> None:
        self._paused = paused
        self._pause_told = True
        await workflow.wait_condition(lambda: self._recipe is not None)
        for handle in list(self._open.values()):
            await self._tell_pause(handle)
        await self._write_pause()

    async def _tell_pause(self, handle: ChildWorkflowHandle[IndexPage, DocumentCounts]) -> None:
        """What holds now, not what was said when: the last signal to a page is always right."""
        try:
            await handle.signal(IndexPage.pause if self._paused else IndexPage.resume)
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            # The page ended before the signal came.

    @workflow.signal(name=ADD_DOCUMENTS)
    def add_documents(self) -> None:
        """Documents were uploaded: the run does not end before it has looked for them."""
        self._arrivals += 1

    @workflow.query(name=PROGRESS)
    def progress(self) -> RunProgress:
        return RunProgress(self._run_id, self._state, self._phase, self._ended, len(self._open))


async def _together(*steps: Coroutine[Any, Any, object]) -> None:
    """All of them, at once. Where the money ends in one, the others end by themselves: calls that
    are in the air for them are paid for."""
    tasks = [asyncio.create_task(step) for step in steps]
    try:
        await asyncio.gather(*tasks)
    except Exception as error:
        if is_over_budget(error):
            await asyncio.gather(*tasks, return_exceptions=True)
        raise


def _check(inputs: Sequence[Any]) -> tuple[IndexRequest, Carried | None]:
    """Refuse bad input at once, in plain words.

    Raises:
        ApplicationError: not retryable.
    """
    carried = None
    if workflow.info().continued_run_id:
        *inputs, carried = inputs
        converter = workflow.payload_converter()
        carried = converter.from_payload(converter.to_payload(carried), Carried)
    try:
        if len(inputs) > 1:
            raise InvalidRequest(f"there are {len(inputs)} inputs; expected is one JSON object")
        request = IndexRequest.from_json(inputs[0] if inputs else None)
    except InvalidRequest as error:
        raise ApplicationError(str(error), type="InvalidRequest", non_retryable=True) from None
    expected, actual = index_workflow_id(request.key), workflow.info().workflow_id
    if actual != expected:
        raise ApplicationError(
            f"the workflow id is {actual!r}; for this input it must be {expected!r}, so that a"
            " collection is indexed by one workflow at a time",
            type="InvalidRequest",
            non_retryable=True,
        )
    return request, carried
