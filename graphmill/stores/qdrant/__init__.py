"""Qdrant: a projection of the vectors of published graphs, for search."""
