"""A run's phases once its documents are read: fold, cluster, report, embed, publish."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from temporalio import workflow

from workflows.run_standing import RunStanding

with workflow.unsafe.imports_passed_through():
    from activities.embeddings import EmbeddingActivities
    from activities.graph import GraphActivities
    from activities.resolution import ResolutionActivities
    from activities.summaries import SummaryActivities
    from graphmill.batch_messages import BatchedStep
    from graphmill.index_request import IndexRequest
    from graphmill.messages import (
        COMMUNITY_FULL_CONTENT,
        ENTITY_DESCRIPTION,
        TEXT_UNIT_TEXT,
        VECTOR_INDEXES,
        EmbedRequest,
        GraphRef,
        MergedGraph,
        MergeGraph,
        Recipe,
    )
    from graphmill.models import Method, Phase
    from graphmill.search_attributes import collection_attributes
    from workflows.ask_in_batches import ask_of_graph
    from workflows.build_communities import BuildCommunities
    from workflows.children import when_free
    from workflows.failures import lets_others_end
    from workflows.policies import (
        EMBED,
        FOLD_GRAPH,
        MERGE_GRAPH,
        OPEN_GRAPH,
        PUBLISH_GRAPH,
        RESOLVE_ENTITIES,
        SUMMARIZE_DESCRIPTIONS,
    )
    from workflows.project_graph import project
    from workflows.shards import in_shards


class GraphPhases:
    """Of one graph, by the run's recipe. `afresh`: the first that a run makes which was asked to
    make it anew, whether anything has changed or not."""

    def __init__(
        self, request: IndexRequest, recipe: Recipe, standing: RunStanding, *, afresh: bool
    ) -> None:
        self._request = request
        self._recipe = recipe
        self._standing = standing
        self._afresh = afresh

    async def build(self, *, last: bool) -> Recipe | None:
        """Nothing where the published graph stands. Returns the recipe as it is from here on; None
        where documents are missing in the graph that wait to be read, unless this is the `last`
        try."""
        key = self._request.key
        # What is missing is asked for by making the graph anew: a report stands on summaries and on
        # other reports, and all that was answered is found stored.
        afresh = self._afresh or self._recipe.model_gaps
        await self._standing.enter(Phase.GRAPH)
        if self._recipe.method is Method.STANDARD:
            merged = await self._merge_with_model(afresh=afresh, last=last)
        else:
            merged = await workflow.execute_activity_method(
                GraphActivities.merge_graph, MergeGraph(key, afresh), **MERGE_GRAPH
            )
        if merged.graph_id is None:
            return await self._embed_published()
        if _is_incomplete(merged) and not last:
            return None
        graph = self._graph(merged.graph_id)
        await self._standing.pausable()
        await self._standing.enter(Phase.COMMUNITIES)
        # What needs no reports is embedded beside them: other workers, other cores.
        await _together(
            when_free(
                lambda: workflow.execute_child_workflow(
                    BuildCommunities.run,
                    graph,
                    id=f"communities/{key.tenant}/{key.name}",
                    static_summary=f"{merged.entities} entities, {merged.relationships}"
                    " relationships",
                    search_attributes=collection_attributes(key),
                )
            ),
            self._embed(graph, TEXT_UNIT_TEXT),
            self._embed(graph, ENTITY_DESCRIPTION),
        )
        await self._standing.pausable()
        await self._standing.enter(Phase.EMBEDDINGS)
        await self._embed(graph, COMMUNITY_FULL_CONTENT)
        return await self._publish(graph)

    async def _embed_published(self) -> Recipe:
        """The published graph stands; its vectors too, unless another model is to embed
        it, or texts of it were refused."""
        if self._recipe.to_embed is None:
            return self._recipe
        graph = self._graph(self._recipe.to_embed)
        await self._standing.pausable()
        await self._standing.enter(Phase.EMBEDDINGS)
        for vector_index in VECTOR_INDEXES:
            await self._embed(graph, vector_index)
        return await self._publish(graph)

    async def _publish(self, graph: GraphRef) -> Recipe:
        await self._standing.pausable()
        await self._standing.enter(Phase.PUBLISHING)
        if await workflow.execute_activity_method(
            GraphActivities.publish_graph, graph, **PUBLISH_GRAPH
        ):
            await project(graph.key)
        # Whatever the published graph was embedded by before, it is not now; and this run has asked
        # for what it lacks.
        return replace(self._recipe, to_embed=None, model_gaps=False)

    async def _merge_with_model(self, *, afresh: bool, last: bool) -> MergedGraph:
        """Resolve entities, fold, summarise descriptions; these not of a graph that is to be folded
        anew."""
        merge = MergeGraph(self._request.key, afresh, self._recipe.options)
        graph_id = await workflow.execute_activity_method(
            GraphActivities.open_graph, merge, **OPEN_GRAPH
        )
        if graph_id is None:
            return MergedGraph(None)
        graph = self._graph(graph_id)
        await workflow.execute_activity_method(
            ResolutionActivities.resolve_entities, graph, **RESOLVE_ENTITIES
        )
        merged = await workflow.execute_activity_method(
            GraphActivities.fold_graph, graph, **FOLD_GRAPH
        )
        if merged.to_summarize and (last or not _is_incomplete(merged)):
            await self._standing.pausable()
            await self._standing.enter(Phase.DESCRIPTIONS)
            await ask_of_graph(BatchedStep.DESCRIPTIONS, graph, merged.to_summarize)
            await in_shards(
                SummaryActivities.summarize_descriptions,
                graph,
                merged.to_summarize,
                "descriptions",
                SUMMARIZE_DESCRIPTIONS,
            )
        return merged

    def _graph(self, graph_id: int) -> GraphRef:
        key, embeddings = self._request.key, self._recipe.embeddings
        if self._recipe.method is Method.STANDARD:
            run = self._standing.run_id, self._recipe.options
            return GraphRef(key, graph_id, *run, embeddings, self._request.batch, self._afresh)
        return GraphRef(key, graph_id, embeddings=embeddings, recluster=self._afresh)

    async def _embed(self, graph: GraphRef, vector_index: str) -> None:
        run_id = self._standing.run_id
        await workflow.execute_activity_method(
            EmbeddingActivities.embed,
            EmbedRequest(graph.key, graph.graph_id, vector_index, graph.embeddings, run_id),
            summary=vector_index,
            **EMBED,
        )


def _is_incomplete(merged: MergedGraph) -> bool:
    return merged.documents_wait and workflow.patched("documents-that-wait-are-read-first")


async def _together(*steps: Coroutine[Any, Any, object]) -> None:
    """All of them, at once. Where one can make no more calls, the others end by themselves: what is
    in the air for them is paid for."""
    tasks = [asyncio.create_task(step) for step in steps]
    try:
        await asyncio.gather(*tasks)
    except Exception as error:
        if lets_others_end(error):
            await asyncio.gather(*tasks, return_exceptions=True)
        raise
