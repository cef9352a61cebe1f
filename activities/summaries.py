"""The activity that makes one description of several."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from temporalio import activity

from activities.fan_out import each_of, for_each
from activities.heartbeats import heartbeating
from graphmill.llm.caller import Deferred, ModelCaller
from graphmill.llm.calls import InvalidAnswer, Payer
from graphmill.llm.faults import QuestionRefused
from graphmill.messages import GraphShard
from graphmill.ports import Descriptions, SummaryStore
from graphmill.standard.descriptions import (
    batch_descriptions,
    joined_descriptions,
    read_summary,
    summary_question,
)
from graphmill.standard.options import OptionsStore, StandardOptions
from graphmill.tokens import count_tokens

SUMMARIZE_DESCRIPTIONS = "summarize_descriptions"
"""The step under which its calls are accounted."""

# Calls at once: more than any endpoint has places.
_AT_ONCE = 500
# What waits is read in pages of so many.
_PAGE = 500
# Summaries that are written together; their answers are stored already.
_WRITTEN_TOGETHER = 20


class SummaryActivities:
    """Queue: llm."""

    def __init__(self, store: SummaryStore, options: OptionsStore, caller: ModelCaller) -> None:
        self._store = store
        self._options = options
        self._caller = caller

    @activity.defn
    async def summarize_descriptions(self, part: GraphShard) -> int:
        """Summarise what waits in this part of the graph; returns how many there were.

        What no good answer is given about is described by its descriptions, one a line, and the
        reason is kept. Done again after a crash, it finds what still waits, and pays again only for
        calls that were in the air.
        """
        async with heartbeating():
            count, _ = await self.summarize_waiting(part)
        return count

    async def summarize_waiting(self, part: GraphShard) -> tuple[int, int]:
        """How many were summarised, and how many have an answer still to come (with a caller that
        puts questions down for later)."""
        graph = part.graph
        options = await self._options.load_options(graph.key, graph.options)
        payer = Payer(graph.key, graph.run_id, SUMMARIZE_DESCRIPTIONS)
        summaries: dict[UUID, str] = {}
        gaps: dict[UUID, str] = {}
        count = deferred = 0

        async def save() -> None:
            written, missing = dict(summaries), dict(gaps)
            summaries.clear()
            gaps.clear()
            await self._store.save_summaries(graph.graph_id, written, missing)

        async def summarize(waiting: Descriptions) -> None:
            nonlocal count, deferred
            try:
                summary = await self._in_rounds(payer, waiting, options)
            except Deferred:
                deferred += 1
                return
            except (InvalidAnswer, QuestionRefused) as error:
                activity.logger.warning(
                    "the descriptions of %s are listed, not summarised: %s", waiting.id, error
                )
                summary = joined_descriptions(waiting.descriptions)
                gaps[waiting.id] = str(error)
            summaries[waiting.id] = summary
            count += 1
            if len(summaries) >= _WRITTEN_TOGETHER:
                await save()

        try:
            await for_each(self._waiting(part), summarize, _AT_ONCE)
        finally:
            await save()
        return count, deferred

    async def _waiting(self, part: GraphShard) -> AsyncIterator[Descriptions]:
        after = UUID(int=0)
        while page := await self._store.unsummarized(part, after, _PAGE):
            for one in page:
                yield one
            after = page[-1].id

    async def _in_rounds(
        self, payer: Payer, waiting: Descriptions, options: StandardOptions
    ) -> str:
        """Summaries of batches, then of those summaries, until there is one."""
        descriptions = waiting.descriptions
        while len(descriptions) > 1:
            batches = batch_descriptions(descriptions, options.summary, count_tokens)
            descriptions = await self._ask_all(payer, waiting.titles, batches, options)
        return descriptions[0] if descriptions else ""

    async def _ask_all(
        self,
        payer: Payer,
        titles: tuple[str, ...],
        batches: Sequence[tuple[str, ...]],
        options: StandardOptions,
    ) -> tuple[str, ...]:
        """One description a batch, in any order."""
        found: list[str] = []

        async def ask(batch: tuple[str, ...]) -> None:
            if len(batch) == 1:  # nothing to summarise yet
                found.append(batch[0])
                return
            question = summary_question(titles, batch, options.summaries_model, options.summary)
            summary, _ = await self._caller.ask(payer, question, read_summary)
            found.append(summary)

        await for_each(each_of(batches), ask, min(_AT_ONCE, len(batches)))
        return tuple(found)
