"""Activities that find communities and write their reports without a model."""

from collections.abc import Sequence

from temporalio import activity

from activities.heartbeats import heartbeating
from graphmill.clustering import cluster_graph
from graphmill.messages import GraphRef
from graphmill.models import CommunityReport
from graphmill.ports import GraphStore, ProcessRunner
from graphmill.reports import ReportContext, write_report

# Clustering 100,000 entities takes seconds; this only ends what hangs.
_CLUSTER_SECONDS = 3600
_REPORT_SECONDS = 600
# Reports written, and kept, at a time: so many at most, over so many entities.
REPORTS_AT_A_TIME = (200, 20_000)


class CommunityActivities:
    """Queue: cpu."""

    def __init__(self, store: GraphStore, processes: ProcessRunner) -> None:
        self._store = store
        self._processes = processes

    @activity.defn
    async def cluster_graph(self, graph: GraphRef) -> int:
        """Hierarchical Leiden over the graph, from the published one's communities unless it is to
        be clustered afresh; returns how many communities there are."""
        async with heartbeating():
            loaded = await self._store.load_for_clustering(graph.graph_id)
            last = (
                None if graph.recluster else await self._store.load_last_clustering(graph.graph_id)
            )
            clustering = await self._processes.run(
                cluster_graph,
                loaded.entities,
                loaded.relationships,
                loaded.text_unit_dates,
                last,
                timeout_seconds=_CLUSTER_SECONDS,
            )
            await self._store.save_communities(graph.graph_id, clustering)
        return len(clustering.communities)

    @activity.defn
    async def write_reports(self, graph: GraphRef) -> int:
        """Write the reports that are missing, batch by batch; returns how many there are."""
        async with heartbeating():
            after = -1
            # Each looks on from where the one before ended: from the first, it would pass by all
            # that were reported on since.
            while contexts := await self._store.unreported(
                graph.graph_id, after, *REPORTS_AT_A_TIME
            ):
                reports = await self._processes.run(
                    write_reports, contexts, timeout_seconds=_REPORT_SECONDS
                )
                await self._store.save_reports(graph.graph_id, reports)
                after = contexts[-1].community.community
            return await self._store.count_reports(graph.graph_id)


def write_reports(contexts: Sequence[ReportContext]) -> tuple[CommunityReport, ...]:
    """What runs in the process: one task for many reports, which are small."""
    return tuple(write_report(context) for context in contexts)
