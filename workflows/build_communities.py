"""BuildCommunities: communities of a graph under construction, and their reports."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.communities import CommunityActivities
    from activities.model_reports import ModelReportActivities
    from graphmill.batch_messages import BatchedStep
    from graphmill.messages import BUILD_COMMUNITIES, BuildCommunitiesResult, GraphRef
    from workflows.ask_in_batches import ask_of_graph
    from workflows.cancelled import raise_if_cancelled
    from workflows.policies import CLUSTER_GRAPH, WRITE_MODEL_REPORTS, WRITE_REPORTS
    from workflows.shards import in_shards


@workflow.defn(name=BUILD_COMMUNITIES)
class BuildCommunities:
    @workflow.run
    async def run(self, graph: GraphRef) -> BuildCommunitiesResult:
        communities = await workflow.execute_activity_method(
            CommunityActivities.cluster_graph, graph, summary="hierarchical Leiden", **CLUSTER_GRAPH
        )
        workflow.set_current_details(f"{communities} communities; writing their reports")
        raise_if_cancelled()
        if graph.options:
            await ask_of_graph(BatchedStep.REPORTS, graph, communities)
            reports = await in_shards(
                ModelReportActivities.write_model_reports,
                graph,
                communities,
                "community reports",
                WRITE_MODEL_REPORTS,
            )
        else:
            reports = await workflow.execute_activity_method(
                CommunityActivities.write_reports,
                graph,
                summary=f"{communities} community reports",
                **WRITE_REPORTS,
            )
        workflow.set_current_details(f"{communities} communities, {reports} reports")
        return BuildCommunitiesResult(communities, reports)
