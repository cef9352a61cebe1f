"""AskInBatches: a step's questions through the Batch API, until no batch can answer any more.

Which questions there are, and which batch holds them, is in PostgreSQL: the workflow knows counts.
What batches leave open (their answers were no good, or never came) is asked by the step itself,
which finds everything else stored.
"""

import asyncio
import contextlib

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from activities.batch_questions import BatchQuestionActivities
    from activities.batches import BatchActivities
    from graphmill.batch_messages import (
        ASK_IN_BATCHES,
        AskInBatchesInput,
        BatchedStep,
        BatchProgress,
        BatchRun,
        CollectBatches,
        QueueExtractions,
    )
    from graphmill.messages import GraphRef
    from graphmill.search_attributes import collection_attributes
    from workflows.cancel_batches import CancelBatches
    from workflows.children import when_free
    from workflows.policies import (
        BATCH_CANCEL_AFTER,
        BATCH_CANCEL_WITHIN,
        BATCH_FIRST_LOOK,
        BATCH_GIVE_UP_AFTER,
        BATCH_LONGEST_LOOK,
        BATCH_LOOKS_GROW,
        CANCEL_BATCHES,
        COLLECT_BATCHES,
        MOST_BATCH_ROUNDS,
        QUEUE_QUESTIONS,
        RECOVER_BATCHES,
        SUBMIT_BATCHES,
    )
    from workflows.shards import in_shards


@workflow.defn(name=ASK_IN_BATCHES)
class AskInBatches:
    @workflow.run
    async def run(self, input: AskInBatchesInput) -> None:
        try:
            await self._ask(input)
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                await self._cancel(input.run)
            raise

    async def _ask(self, input: AskInBatchesInput) -> None:
        """Round after round: what has no answer, in batches; then what follows from the answers."""
        left = await workflow.execute_activity_method(
            BatchActivities.recover_batches, input.run, **RECOVER_BATCHES
        )
        if left:
            await self._wait(input)
        for round in range(1, MOST_BATCH_ROUNDS + 1):
            if not await _queue(input):
                return
            open = await workflow.execute_activity_method(
                BatchActivities.submit_batches,
                input.run,
                summary=f"{input.step}, round {round}",
                **SUBMIT_BATCHES,
            )
            if not open:
                return
            await self._wait(input)

    async def _wait(self, input: AskInBatchesInput) -> None:
        """Until no batch is open."""
        began = workflow.now()
        cancelled = False
        look = BATCH_FIRST_LOOK
        while True:
            await workflow.sleep(look, summary="until batches are looked at")
            waited = workflow.now() - began
            if waited > BATCH_CANCEL_AFTER and not cancelled:
                await workflow.execute_activity_method(
                    BatchActivities.cancel_batches, input.run, **CANCEL_BATCHES
                )
                cancelled = True
            progress = await self._collect(input.run, give_up=waited > BATCH_GIVE_UP_AFTER)
            if not progress.open:
                return
            look = min(BATCH_LOOKS_GROW * look, BATCH_LONGEST_LOOK)
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(input)

    async def _cancel(self, run: BatchRun) -> None:
        """Within seconds, whatever the endpoint does. Where it has not ended them by then, another
        workflow goes on: what is answered meanwhile is paid for, and kept."""
        with contextlib.suppress(ActivityError):
            await workflow.execute_activity_method(
                BatchActivities.cancel_batches,
                run,
                schedule_to_close_timeout=BATCH_CANCEL_WITHIN,
                **CANCEL_BATCHES,
            )
            progress = await workflow.execute_activity_method(
                BatchActivities.collect_batches,
                CollectBatches(run),
                schedule_to_close_timeout=BATCH_CANCEL_WITHIN,
                **COLLECT_BATCHES,
            )
            if not progress.open:
                return
        await workflow.start_child_workflow(
            CancelBatches.run,
            run,
            id=f"cancelled-batches/{run.key.tenant}/{run.key.name}/{run.run_id}",
            parent_close_policy=ParentClosePolicy.ABANDON,
            static_summary=f"what the batches of a cancelled run of {run.key.name} have answered",
            search_attributes=collection_attributes(run.key),
        )

    async def _collect(self, run: BatchRun, *, give_up: bool = False) -> BatchProgress:
        progress = await workflow.execute_activity_method(
            BatchActivities.collect_batches, CollectBatches(run, give_up), **COLLECT_BATCHES
        )
        workflow.set_current_details(
            f"{progress.open} batches open, {progress.answered} of their {progress.questions}"
            " questions answered"
        )
        return progress


async def ask_in_batches(input: AskInBatchesInput) -> None:
    """As a child of the workflow that calls this; where the run is cancelled, to the end."""
    key = input.run.key
    await when_free(
        lambda: workflow.execute_child_workflow(
            AskInBatches.run,
            input,
            id=f"batches/{key.tenant}/{key.name}/{input.step}",
            static_summary=f"{input.step} of {key.name} in batches",
            search_attributes=collection_attributes(key),
        )
    )


async def ask_of_graph(step: BatchedStep, graph: GraphRef, items: int) -> None:
    """Nothing where the run does not ask in batches."""
    if graph.batch and graph.run_id is not None and items:
        run = BatchRun(graph.key, graph.run_id)
        await ask_in_batches(AskInBatchesInput(run, step, graph=graph, items=items))


async def _queue(input: AskInBatchesInput) -> int:
    """Put down the step's questions; how many items have an answer still to come."""
    if input.graph is None:
        assert input.recipe is not None
        return await workflow.execute_activity_method(
            BatchQuestionActivities.queue_extractions,
            QueueExtractions(input.run, input.recipe),
            summary=f"{input.step} to ask for",
            **QUEUE_QUESTIONS,
        )
    method = (
        BatchQuestionActivities.queue_summaries
        if input.step is BatchedStep.DESCRIPTIONS
        else BatchQuestionActivities.queue_reports
    )
    return await in_shards(
        method, input.graph, input.items, f"{input.step} to ask for", QUEUE_QUESTIONS
    )
