"""ProjectGraph: what a collection shows to queries, into every other store that is to hold it.

One per collection: its id is project/TENANT/COLLECTION. It is apart from the run that published, so
that a store which is away, or slow, keeps no run from its end. It ends when all stores hold what is
published; a graph that is published meanwhile is told by a signal.
"""

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.common import Priority
from temporalio.exceptions import (
    ActivityError,
    FailureError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    from activities.projections import ProjectionActivities
    from graphmill.models import CollectionKey
    from graphmill.projections.messages import (
        PROJECT,
        PROJECT_GRAPH,
        ProjectedToStore,
        ProjectRequest,
        ProjectToStore,
        project_workflow_id,
    )
    from graphmill.search_attributes import collection_attributes
    from workflows.own_id import check_own_id
    from workflows.policies import EXPECT_PROJECTIONS, PROJECT_TO_STORE
    from workflows.visibility import show_collection
    from workflows.written_by_hand import read_request


# Those that began before this was so looked once, at their beginning.
_LOOKS_AGAIN = "looks-again"


@workflow.defn(name=PROJECT_GRAPH)
class ProjectGraph:
    """Each store at its own pace: one that is away does not hold up another."""

    def __init__(self) -> None:
        self._asked = 1
        self._looked = 0
        self._done: dict[str, int] = {}
        self._afresh_asked = 0
        self._projected: dict[str, ProjectedToStore] = {}
        self._failed: dict[str, ActivityError] = {}

    @workflow.run
    async def run(self, *inputs: Any) -> list[ProjectedToStore]:
        """One input: the JSON of a ProjectRequest. Plain, as IndexCollection's is."""
        request = _read_input(inputs)
        key = request.key
        show_collection(key)
        if request.afresh:
            self._afresh_asked = self._asked
        following: dict[str, asyncio.Task[None]] = {}
        try:
            while not self._all_done():
                if self._looked < self._asked:
                    await self._look(key, following)
                    continue
                await workflow.wait_condition(
                    lambda: (
                        self._looked < self._asked
                        or self._all_done()
                        or any(task.done() for task in following.values())
                        or workflow.info().is_continue_as_new_suggested()
                    )
                )
                for task in following.values():
                    if task.done():
                        await task  # it goes on for ever: it can only have failed
                if not self._all_done() and workflow.info().is_continue_as_new_suggested():
                    # What is being written goes on from what is there.
                    afresh = any(self._afresh_asked > done for done in self._done.values())
                    workflow.continue_as_new(args=[ProjectRequest(key, afresh).to_json()])
        finally:
            for task in following.values():
                task.cancel()
        for error in self._failed.values():
            raise error
        return list(self._projected.values())

    async def _look(self, key: CollectionKey, following: dict[str, asyncio.Task[None]]) -> None:
        """Which stores are set may change while one of them is away for days."""
        asked = self._asked
        if self._looked and not workflow.patched(_LOOKS_AGAIN):
            self._looked = asked
            return
        stores = await workflow.execute_activity_method(
            ProjectionActivities.expect_projections, key, **EXPECT_PROJECTIONS
        )
        self._looked = asked
        for store in stores:
            if store not in following:
                self._done[store] = 0
                following[store] = asyncio.create_task(self._follow(key, store))
        for store in sorted(following.keys() - set(stores)):
            following.pop(store).cancel()
            del self._done[store]
            self._failed.pop(store, None)

    async def _follow(self, key: CollectionKey, store: str) -> None:
        """What is published while another store is written, or away, goes here at once. What goes
        wrong here, other than that it is away, holds up no other, and is told at the end."""
        while True:
            await workflow.wait_condition(lambda: not self._is_done(store))
            asked = self._asked
            afresh = self._afresh_asked > self._done[store]
            try:
                self._projected[store] = await workflow.execute_activity_method(
                    ProjectionActivities.project_to_store,
                    ProjectToStore(key, store, afresh),
                    summary=f"{store}, all" if afresh else store,
                    **PROJECT_TO_STORE,
                )
                self._failed.pop(store, None)
            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise
                self._failed[store] = error
            self._done[store] = asked
            self._describe()

    def _is_done(self, store: str) -> bool:
        return self._done.get(store) == self._asked

    def _all_done(self) -> bool:
        return self._looked == self._asked and all(map(self._is_done, self._done))

    def _describe(self) -> None:
        workflow.set_current_details(
            "; ".join(
                f"{one.store} holds graph {one.version or 'none'} ({one.written:,} written,"
                f" {one.removed:,} removed)"
                for one in self._projected.values()
            )
        )

    @workflow.signal(name=PROJECT)
    def project(self, afresh: bool = False, *unused: Any) -> None:
        """A graph was published, or the collection is gone: look again."""
        self._asked += 1
        if afresh:
            self._afresh_asked = self._asked


async def project(key: CollectionKey) -> None:
    """Start the collection's ProjectGraph, which outlives the workflow that calls this, or tell it
    to look again."""
    while True:
        try:
            await workflow.start_child_workflow(
                ProjectGraph.run,
                args=[ProjectRequest(key).to_json()],
                id=project_workflow_id(key),
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                static_summary=f"project {key.name} ({key.tenant})",
                priority=Priority(fairness_key=key.tenant),
                search_attributes=collection_attributes(key),
            )
            return
        except WorkflowAlreadyStartedError:
            pass
        handle = workflow.get_external_workflow_handle(project_workflow_id(key))
        try:
            await handle.signal(PROJECT)
            return
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            # It ended before the signal came.


def _read_input(inputs: tuple[Any, ...]) -> ProjectRequest:
    request = read_request(inputs, ProjectRequest.from_json)
    check_own_id(project_workflow_id(request.key), "a store is written by one workflow at a time")
    return request
