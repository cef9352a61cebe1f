"""Communities of a graph: clustered afresh, or steadily, from those that it had before."""

from graphmill.clustering.communities import (
    CLUSTERING_VERSION,
    ClusterEntity,
    Clustering,
    ClusterRelationship,
    LastClustering,
    LastCommunity,
    cluster_graph,
)

__all__ = [
    "CLUSTERING_VERSION",
    "ClusterEntity",
    "ClusterRelationship",
    "Clustering",
    "LastClustering",
    "LastCommunity",
    "cluster_graph",
]
