"""An experiment: many small documents share one workflow, an activity works on 20 of them."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from activities.documents import DocumentActivities
    from graphmill.messages import IndexDocumentInput, Recipe
    from graphmill.models import CollectionKey

QUEUE = "graphmill-benchmark"


@dataclass(frozen=True, slots=True)
class Batch:
    key: CollectionKey
    recipe: Recipe
    ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class SharedPage:
    """As IndexPage's input; an activity gets `per_activity` of the ids."""

    batch: Batch
    per_activity: int


class BatchActivities:
    def __init__(self, documents: DocumentActivities) -> None:
        self._documents = documents

    @activity.defn
    async def process_documents(self, batch: Batch) -> int:
        for id in batch.ids:
            await self._documents.process_document(IndexDocumentInput(batch.key, batch.recipe, id))
        return len(batch.ids)


@workflow.defn
class IndexShared:
    @workflow.run
    async def run(self, page: SharedPage) -> int:
        batch, size = page.batch, page.per_activity
        counts = await asyncio.gather(
            *(
                workflow.execute_activity_method(
                    BatchActivities.process_documents,
                    Batch(batch.key, batch.recipe, batch.ids[start : start + size]),
                    start_to_close_timeout=timedelta(minutes=10),
                    heartbeat_timeout=timedelta(seconds=10),
                )
                for start in range(0, len(batch.ids), size)
            )
        )
        return sum(counts)
