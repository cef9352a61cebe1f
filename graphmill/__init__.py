"""graphmill: durable GraphRAG indexing on Temporal.

For programs: `from graphmill import Client`, or `SyncClient` (graphmill.client).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphmill.client import Client, SyncClient

__all__ = ["Client", "SyncClient"]


def __getattr__(name: str) -> object:
    # Not at the top: workers and commands would load an HTTP client that they do not use.
    if name not in __all__:
        raise AttributeError(f"module 'graphmill' has no attribute {name!r}")
    from graphmill import client

    return getattr(client, name)
