"""Search without a model: ranked passages and an extractive answer with citations."""

from graphmill.search.basic import basic_search, rank_basically
from graphmill.search.embedder import SearchEmbedder
from graphmill.search.local import local_search, rank_locally
from graphmill.search.ports import GraphSnapshot, SearchStore

__all__ = [
    "GraphSnapshot",
    "SearchEmbedder",
    "SearchStore",
    "basic_search",
    "local_search",
    "rank_basically",
    "rank_locally",
]
