"""graphmill from Python, over HTTP: `Client`, and `SyncClient` for programs that do not await."""

from graphmill.api_keys import InvalidKey, NotAllowed
from graphmill.client.client import Client
from graphmill.client.errors import Conflict
from graphmill.client.sync import SyncClient
from graphmill.errors import GraphmillError, InvalidRequest, NotFound, Unavailable

__all__ = [
    "Client",
    "Conflict",
    "GraphmillError",
    "InvalidKey",
    "InvalidRequest",
    "NotAllowed",
    "NotFound",
    "SyncClient",
    "Unavailable",
]
