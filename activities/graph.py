"""Activities that fold extractions into a graph and show it to queries."""

from temporalio import activity

from activities.heartbeats import heartbeating
from graphmill.clustering import CLUSTERING_VERSION
from graphmill.extraction.entity_types import FAST_ENTITY_TYPES
from graphmill.messages import GraphRef, MergedGraph, MergeGraph
from graphmill.models import CollectionKey
from graphmill.ports import GraphStore
from graphmill.reports import REPORTS_VERSION
from graphmill.standard.options import OptionsStore


class GraphActivities:
    """Queue: store."""

    def __init__(
        self, store: GraphStore, options: OptionsStore, *, projected: bool = False
    ) -> None:
        """`projected`: other stores are to hold what is published too."""
        self._store = store
        self._options = options
        self._projected = projected

    @activity.defn
    async def merge_graph(self, input: MergeGraph) -> MergedGraph:
        """Fold all live extractions into a graph under construction."""
        async with heartbeating():
            return await self._store.merge_graph(
                input.key, f"{CLUSTERING_VERSION} {REPORTS_VERSION}", afresh=input.afresh
            )

    @activity.defn
    async def open_graph(self, input: MergeGraph) -> int | None:
        """A graph for extractions by a model; None where the published one is what it would be."""
        async with heartbeating():
            return await self._store.open_graph(
                input.key,
                f"{CLUSTERING_VERSION} {input.options}",
                afresh=input.afresh,
                claims=await self._has_claims(input.key, input.options),
            )

    @activity.defn
    async def fold_graph(self, graph: GraphRef) -> MergedGraph:
        """Fold all live extractions by a model into the opened graph."""
        async with heartbeating():
            return await self._store.fold_model_extractions(
                graph.key,
                graph.graph_id,
                claims=await self._has_claims(graph.key, graph.options),
            )

    @activity.defn
    async def publish_graph(self, graph: GraphRef) -> bool:
        """From now on queries see this graph. Returns whether other stores are to hold it too."""
        async with heartbeating():
            types = FAST_ENTITY_TYPES
            if graph.options:
                options = await self._options.load_options(graph.key, graph.options)
                types = options.schema.entity_types
            await self._store.publish_graph(graph.key, graph.graph_id, graph.embeddings, types)
        return self._projected

    async def _has_claims(self, key: CollectionKey, options: str) -> bool:
        return (await self._options.load_options(key, options)).claims is not None
