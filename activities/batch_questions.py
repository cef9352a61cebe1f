"""Activities that find out which questions a step would ask, and put them down for batches.

They run the steps themselves, with a caller that asks no endpoint: what has an answer is read and
used, what has none is put down. So a question that follows from an answer (a gleaning, a summary of
summaries, a report on reports) is found as soon as that answer is there.
"""

from temporalio import activity

from activities.extraction import ExtractionActivities
from activities.heartbeats import heartbeating
from activities.model_reports import ModelReportActivities
from activities.summaries import SummaryActivities
from graphmill.batch_messages import QueueExtractions
from graphmill.messages import GraphShard


class BatchQuestionActivities:
    """Queue: llm. Each returns how many items have an answer still to come."""

    def __init__(
        self,
        extraction: ExtractionActivities,
        summaries: SummaryActivities,
        reports: ModelReportActivities,
    ) -> None:
        """All with a caller that puts questions down for later."""
        self._extraction = extraction
        self._summaries = summaries
        self._reports = reports

    @activity.defn
    async def queue_extractions(self, asked: QueueExtractions) -> int:
        async with heartbeating():
            return await self._extraction.extract_waiting(
                asked.run.key, asked.recipe, asked.run.run_id
            )

    @activity.defn
    async def queue_summaries(self, part: GraphShard) -> int:
        async with heartbeating():
            _, deferred = await self._summaries.summarize_waiting(part)
        return deferred

    @activity.defn
    async def queue_reports(self, part: GraphShard) -> int:
        async with heartbeating():
            _, deferred = await self._reports.write_waiting(part)
        return deferred
