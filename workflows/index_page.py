"""IndexPage: a page of a collection's documents, so many of them at a time."""

import asyncio
from collections import deque
from typing import Any

from temporalio import workflow
from temporalio.common import Priority
from temporalio.exceptions import ChildWorkflowError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.runs import RunActivities
    from graphmill.errors import FailureReason
    from graphmill.index_request import PAUSE, PROGRESS, RESUME
    from graphmill.messages import (
        INDEX_PAGE,
        DocumentCounts,
        FailDocument,
        IndexDocumentInput,
        IndexDocumentResult,
        IndexPageInput,
        PageProgress,
        WaitingDocument,
    )
    from graphmill.models import DocumentState
    from graphmill.search_attributes import collection_attributes
    from workflows.children import when_free
    from workflows.failures import ends_run, words_of
    from workflows.index_document import IndexDocument
    from workflows.policies import FAIL_DOCUMENT, HIGHEST_PRIORITY
    from workflows.queues import DOCUMENT_QUEUE
    from workflows.written_by_hand import refused


@workflow.defn(name=INDEX_PAGE)
class IndexPage:
    """A sliding window over one page. It never grows: what comes after is another page."""

    @workflow.init
    def __init__(self, input: IndexPageInput | None = None) -> None:
        # None, where somebody starts it by hand without one: what this raised, the SDK would not
        # clear away.
        self._paused = input is not None and input.paused
        self._counts = DocumentCounts()
        self._in_flight = 0
        self._run_ends = False

    @workflow.run
    async def run(self, input: IndexPageInput | None = None) -> DocumentCounts:
        if input is None:
            raise refused(f"{INDEX_PAGE} is a part of a run: start IndexCollection instead")
        self._input = input
        tasks: list[asyncio.Task[None]] = []
        try:
            waiting = deque(sorted(input.documents, key=lambda document: document.size))
            while waiting:
                # In groups: what starts together costs the server and us one workflow task, not
                # one each; half the window is still enough to keep the workers' queue filled.
                await workflow.wait_condition(
                    lambda: (
                        self._run_ends
                        or (not self._paused and self._in_flight <= input.in_flight // 2)
                    )
                )
                if self._run_ends:
                    break
                while waiting and self._in_flight < input.in_flight:
                    self._in_flight += 1
                    tasks.append(asyncio.create_task(self._index(waiting.popleft())))
            await workflow.wait(tasks)
        except asyncio.CancelledError:
            # Pass it on to the documents in flight, and wait for their end.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
        for task in tasks:
            task.result()
        return self._counts

    async def _index(self, document: WaitingDocument) -> None:
        try:
            result = await self._index_document(document)
            self._counts = self._counts.plus(result.state)
        finally:
            # Nothing of Temporal's here: this runs too when a worker evicts the workflow.
            self._in_flight -= 1
        workflow.set_current_details(
            f"{self._counts.done} done, {self._counts.failed} failed,"
            f" {self._counts.skipped} skipped"
            + (f", {self._counts.partial} partial" if self._counts.partial else "")
            + f" of {len(self._input.documents)}"
        )

    async def _index_document(self, document: WaitingDocument) -> IndexDocumentResult:
        key = self._input.key
        try:
            return await when_free(
                lambda: workflow.execute_child_workflow(
                    IndexDocument.run,
                    IndexDocumentInput(
                        key,
                        self._input.recipe,
                        document.id,
                        self._input.run_id,
                        self._input.read_only,
                    ),
                    id=f"document/{key.tenant}/{key.name}/{document.id}",
                    task_queue=DOCUMENT_QUEUE,
                    static_summary=document.label,
                    priority=Priority(priority_key=self._level(document), fairness_key=key.tenant),
                    search_attributes=collection_attributes(key),
                )
            )
        except ChildWorkflowError as error:
            if is_cancelled_exception(error):
                raise
            if ends_run(error):
                self._run_ends = True
                raise
            # Terminated by somebody, or failed in its own code: it cannot say so itself.
            reason = f"{FailureReason.TERMINATED}: its workflow ended early ({words_of(error)})"
            await workflow.execute_activity_method(
                RunActivities.fail_document,
                FailDocument(key, self._input.recipe, document.id, reason),
                **FAIL_DOCUMENT,
            )
            return IndexDocumentResult(DocumentState.FAILED, reason)

    def _level(self, document: WaitingDocument) -> int:
        levels = sum(document.size <= size for size in self._input.small)
        return max(HIGHEST_PRIORITY, self._input.priority - levels)

    @workflow.signal(name=PAUSE)
    def pause(self, *unused: Any) -> None:
        """Start no further document."""
        self._paused = True

    @workflow.signal(name=RESUME)
    def resume(self, *unused: Any) -> None:
        self._paused = False

    @workflow.query(name=PROGRESS)
    def progress(self) -> PageProgress:
        return PageProgress(self._counts, self._in_flight)
