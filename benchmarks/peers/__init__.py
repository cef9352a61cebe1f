"""LightRAG and GraphRAG beside graphmill: the same documents, the same model, the same run."""
