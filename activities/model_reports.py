"""The activity that has a model write community reports."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from temporalio import activity

from activities.fan_out import for_each
from activities.heartbeats import heartbeating
from activities.report_order import ReportOrder
from graphmill.llm.caller import Deferred, ModelCaller
from graphmill.llm.calls import InvalidAnswer, Payer
from graphmill.llm.faults import QuestionRefused
from graphmill.messages import GraphRef, GraphShard
from graphmill.models import Community, CommunityReport
from graphmill.ports import ModelReportStore, PlacedCommunity
from graphmill.reports import ReportContext, write_report
from graphmill.standard.community_context import (
    ChildReport,
    CommunityContext,
    ReportClaim,
    community_context,
    rolled_up_context,
)
from graphmill.standard.options import OptionsStore, StandardOptions
from graphmill.standard.reports import read_report, report_question, to_community_report
from graphmill.together import Together
from graphmill.tokens import count_tokens

COMMUNITY_REPORTS = "community_reports"
"""The step under which its calls are accounted."""

# Communities that are asked about at once: more than any endpoint has places.
_AT_ONCE = 500
# Communities, and entities, that are loaded at once.
_LOADED_TOGETHER = (50, 10_000)
# A context of more records than this is made in a thread: sorting them takes long.
_LARGE = 2_000
# Of the row of an entity, at least: a number, and the end of the line.
_TOKENS_OF_ENTITY = 2


class ModelReportActivities:
    """Queue: llm."""

    def __init__(self, store: ModelReportStore, options: OptionsStore, caller: ModelCaller) -> None:
        self._store = store
        self._options = options
        self._caller = caller

    @activity.defn
    async def write_model_reports(self, part: GraphShard) -> int:
        """Write the reports that are missing in this part of the graph; returns how many there
        are in it.

        Each community is asked about as soon as it can be: one that a question can show whole at
        once, one that is oversize when its children have reports. Done again after a crash, it
        finds what is stored, and pays again only for calls that were in the air.
        """
        async with heartbeating():
            communities, _ = await self.write_waiting(part)
        return communities

    async def write_waiting(self, part: GraphShard) -> tuple[int, int]:
        """How many communities there are, and how many of them have an answer still to come (with a
        caller that puts questions down for later); those that wait for their reports are left."""
        graph = part.graph
        options = await self._options.load_options(graph.key, graph.options)
        communities = await self._store.load_hierarchies(graph.graph_id, part.shard, part.shards)
        reporting = _Reporting(self._store, self._caller, graph, options, communities)
        await reporting.run()
        return len(communities), reporting.deferred


@dataclass(frozen=True, slots=True)
class _Shown:
    """A community, and what a model is shown of it."""

    community: Community
    context: CommunityContext


@dataclass(frozen=True, slots=True)
class _Written:
    """A report. `gap`: why it is an extractive one; None where a model gave it."""

    report: CommunityReport
    gap: str | None = None


class _Reporting:
    """One part of a graph on its way through a model.

    Records are in memory for the communities that are loaded together, then only the text of the
    question; children's reports come from the store, where a second attempt finds them too.
    """

    def __init__(
        self,
        store: ModelReportStore,
        caller: ModelCaller,
        graph: GraphRef,
        options: StandardOptions,
        communities: tuple[PlacedCommunity, ...],
    ) -> None:
        self._store = store
        self._caller = caller
        self._graph_id = graph.graph_id
        self._payer = Payer(graph.key, graph.run_id, COMMUNITY_REPORTS)
        self._model = options.reports_model
        self._options = options.report
        self._with_claims = options.claims is not None
        self._order = ReportOrder(communities)
        self._at_once = max(1, min(_AT_ONCE, sum(not one.reported for one in communities)))
        self._stirred = asyncio.Event()
        self._failed = False
        self._in_air = 0
        self.deferred = 0
        self._writing = Together(self._write, self._at_once, name="write reports")

    async def run(self) -> None:
        async with aclosing(self._show_all()) as shown:
            await for_each(shown, self._report, self._at_once)

    async def _show_all(self) -> AsyncGenerator[_Shown]:
        while self._order.left and not self._failed:
            taken = self._order.take(*_LOADED_TOGETHER)
            if not taken:  # what is left waits for reports that are being written
                if not self._in_air:  # or that are still to come
                    return
                self._stirred.clear()
                await self._stirred.wait()
                continue
            reports = await self._load_children(taken)
            numbers = [one.community for one in taken if not self._put_off_unseen(one)]
            claims = await self._load_claims(numbers)
            for context in await self._store.load_contexts(self._graph_id, numbers):
                about = claims.get(context.community.community, ())
                shown = await self._show(context, about, reports)
                if shown is not None:
                    self._in_air += 1
                    yield _Shown(context.community, shown)
                await asyncio.sleep(0)  # calls begin and end between two contexts

    def _put_off_unseen(self, one: PlacedCommunity) -> bool:
        """Too many entities to be shown whole: there is no need to load them twice."""
        if not one.children or self._order.is_put_off(one.community):
            return False
        oversize = one.size * _TOKENS_OF_ENTITY > self._options.max_input_tokens
        if oversize:
            self._order.put_off(one.community)
        return oversize

    async def _load_children(self, taken: list[PlacedCommunity]) -> dict[int, list[ChildReport]]:
        """By community that is rolled up: its children, with the reports on them."""
        rolled_up = [one for one in taken if self._order.is_put_off(one.community)]
        children = [child for one in rolled_up for child in one.children]
        reports: dict[int, list[ChildReport]] = {one.community: [] for one in rolled_up}
        if children:
            for child, report in await self._store.load_reports(self._graph_id, children):
                reports[child.parent].append(ChildReport(child, report))
        return reports

    async def _load_claims(self, communities: list[int]) -> dict[int, tuple[ReportClaim, ...]]:
        if not self._with_claims:
            return {}
        return await self._store.load_claims(self._graph_id, communities)

    async def _show(
        self,
        context: ReportContext,
        claims: tuple[ReportClaim, ...],
        reports: dict[int, list[ChildReport]],
    ) -> CommunityContext | None:
        """None: it is oversize, and comes again with reports on its children."""
        number, most = context.community.community, self._options.max_input_tokens
        if number in reports:
            make = partial(rolled_up_context, context, claims, reports[number], most, count_tokens)
        else:
            make = partial(community_context, context, claims, most, count_tokens)
        large = len(context.entities) + len(context.relationships) + len(claims) > _LARGE
        shown = await asyncio.to_thread(make) if large else make()
        if shown.whole or number in reports or not context.community.children:
            return shown
        self._order.put_off(number)
        return None

    async def _report(self, shown: _Shown) -> None:
        try:
            await self._writing.do(await self._ask(shown))
            self._order.note_report(shown.community.community)
        except Deferred:
            self.deferred += 1
        except BaseException:
            self._failed = True
            raise
        finally:
            self._in_air -= 1
            self._stirred.set()

    async def _ask(self, shown: _Shown) -> _Written:
        question = report_question(shown.context, self._model, self._options)
        read = partial(read_report, known=shown.context.known)
        try:
            report, _ = await self._caller.ask(self._payer, question, read)
        except (InvalidAnswer, QuestionRefused) as error:
            number = shown.community.community
            activity.logger.warning(
                "community %d of graph %d has an extractive report, since a model gave none: %s",
                number,
                self._graph_id,
                type(error).__name__,
            )
            (context,) = await self._store.load_contexts(self._graph_id, [number])
            return _Written(await asyncio.to_thread(write_report, context), str(error))
        return _Written(to_community_report(shown.community, report))

    async def _write(self, written: Sequence[_Written]) -> list[None]:
        gaps = {one.report.community: one.gap for one in written if one.gap is not None}
        await self._store.save_reports(self._graph_id, [one.report for one in written], gaps)
        return [None] * len(written)
