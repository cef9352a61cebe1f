"""graphmill: durable GraphRAG indexing on Temporal."""
