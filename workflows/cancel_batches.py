"""CancelBatches: what the batches of a cancelled run have answered, after that run has ended.

An endpoint takes minutes to end a batch that is cancelled, and nobody is to wait for that; but what
it has answered by then is paid for.
"""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.batches import BatchActivities
    from graphmill.batch_messages import CANCEL_BATCHES as NAME
    from graphmill.batch_messages import BatchRun, CollectBatches
    from workflows.policies import (
        BATCH_FIRST_LOOK,
        BATCH_GIVE_UP_AFTER,
        BATCH_LONGEST_LOOK,
        BATCH_LOOKS_GROW,
        CANCEL_BATCHES,
        COLLECT_BATCHES,
    )


@workflow.defn(name=NAME)
class CancelBatches:
    @workflow.run
    async def run(self, run: BatchRun) -> None:
        # Again: the run may have ended before its endpoint could be told.
        await workflow.execute_activity_method(
            BatchActivities.cancel_batches, run, **CANCEL_BATCHES
        )
        began = workflow.now()
        look = BATCH_FIRST_LOOK
        while True:
            progress = await workflow.execute_activity_method(
                BatchActivities.collect_batches,
                CollectBatches(run, give_up=workflow.now() - began > BATCH_GIVE_UP_AFTER),
                **COLLECT_BATCHES,
            )
            if not progress.open:
                return
            await workflow.sleep(look, summary="until cancelled batches are looked at")
            look = min(BATCH_LOOKS_GROW * look, BATCH_LONGEST_LOOK)
