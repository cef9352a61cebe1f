"""The documents of a collection that wait: page after page, a few of them open at once."""

import asyncio

from temporalio import workflow
from temporalio.common import Priority
from temporalio.exceptions import (
    ChildWorkflowError,
    FailureError,
    TerminatedError,
    is_cancelled_exception,
)
from temporalio.workflow import ChildWorkflowHandle

from workflows.run_standing import RunStanding

with workflow.unsafe.imports_passed_through():
    from activities.runs import RunActivities
    from graphmill.index_request import IndexRequest
    from graphmill.messages import (
        DocumentCounts,
        IndexPageInput,
        PageRequest,
        Recipe,
        WaitingDocument,
    )
    from graphmill.models import Method
    from graphmill.search_attributes import collection_attributes
    from workflows.children import when_free
    from workflows.index_page import IndexPage
    from workflows.policies import (
        IN_FLIGHT_PER_PAGE,
        IN_FLIGHT_PER_PAGE_STANDARD,
        NEXT_PAGE,
        OPEN_PAGES,
        OPEN_PAGES_STANDARD,
        PAGE_DOCUMENTS,
        PAGES_PER_RUN,
    )

_Page = ChildWorkflowHandle[IndexPage, DocumentCounts]


class DocumentPages:
    """
    Attributes:
        cursor: the place in the line up to which documents were given to pages.
        number: of the last page.
    """

    def __init__(self, standing: RunStanding) -> None:
        self.cursor = 0
        self.number = 0
        self._number_before = 0
        self._standing = standing
        self._open: dict[asyncio.Task[None], _Page] = {}

    def take_over(self, cursor: int, number: int) -> None:
        """Go on where the history before this one ended."""
        self.cursor = cursor
        self.number = self._number_before = number

    @property
    def open(self) -> int:
        return len(self._open)

    async def take_in(self, request: IndexRequest, recipe: Recipe, *, read_only: bool) -> bool:
        """Page after page until nothing waits any more; read only, until all is read. False where
        this history is long: no page is open then, and another one goes on."""
        open_pages = OPEN_PAGES_STANDARD if recipe.method is Method.STANDARD else OPEN_PAGES
        while True:
            await self._standing.pausable()
            if (
                self.number - self._number_before >= PAGES_PER_RUN
                # Many rounds of few documents, or signals, make a long history too.
                or workflow.info().is_continue_as_new_suggested()
            ):
                while self._open:
                    await self._wait_for_a_page()
                return False
            page = await workflow.execute_activity_method(
                RunActivities.next_page,
                PageRequest(request.key, self.cursor, PAGE_DOCUMENTS),
                summary=f"after {self.cursor}",
                **NEXT_PAGE,
            )
            if page.documents:
                self.cursor = page.last
                await self._open_page(request, recipe, page.documents, read_only=read_only)
                if len(self._open) >= open_pages:
                    await self._wait_for_a_page()
            elif self._open:
                await self._wait_for_a_page()
            elif read_only:
                # What is met late is read when it is indexed.
                self.cursor = 0
                return True
            elif self.cursor > 0:
                # Positions become visible in another order than they are given: look once more
                # from the start, when nothing is in flight that could be met twice.
                self.cursor = 0
            else:
                return True

    async def finish(self) -> None:
        """Until those that are open end by themselves."""
        await workflow.wait(self._open)

    async def cancel(self) -> None:
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def tell_pause(self) -> None:
        for handle in list(self._open.values()):
            await self._tell_pause(handle)

    async def _open_page(
        self,
        request: IndexRequest,
        recipe: Recipe,
        documents: tuple[WaitingDocument, ...],
        *,
        read_only: bool,
    ) -> None:
        self.number += 1
        key, priority = request.key, request.priority
        told = self._standing.paused
        standard = recipe.method is Method.STANDARD
        before = (self.number - 1) * PAGE_DOCUMENTS
        small = recipe.small if before < recipe.small_documents else ()

        async def start() -> _Page:
            nonlocal told
            told = self._standing.paused  # as it is at this try: an earlier one may be long ago
            return await workflow.start_child_workflow(
                IndexPage.run,
                IndexPageInput(
                    key,
                    recipe,
                    documents,
                    IN_FLIGHT_PER_PAGE_STANDARD if standard else IN_FLIGHT_PER_PAGE,
                    priority,
                    told,
                    self._standing.run_id if standard else None,
                    read_only,
                    small,
                ),
                id=f"page/{key.tenant}/{key.name}/{self.number}",
                static_summary=f"{len(documents)} documents of {key.name}",
                priority=Priority(priority_key=priority, fairness_key=key.tenant),
                search_attributes=collection_attributes(key),
            )

        handle = await when_free(start)
        task = asyncio.create_task(self._await_page(handle))
        self._open[task] = handle
        if self._standing.paused != told:  # said while the server was starting it
            await self._tell_pause(handle)

    async def _await_page(self, handle: _Page) -> None:
        try:
            # Not `+=`: it reads the sum before it waits, and loses what other pages add meanwhile.
            ended = await handle
            self._standing.documents = self._standing.documents + ended
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
        self._standing.describe()

    async def _tell_pause(self, handle: _Page) -> None:
        """What holds now, not what was said when: the last signal to a page is always right."""
        try:
            await handle.signal(IndexPage.pause if self._standing.paused else IndexPage.resume)
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            # The page ended before the signal came.
