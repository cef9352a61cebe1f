"""The process: a socket, the HTTP server on it, and a word on where it listens."""

import os
import socket
import sys
import threading

import uvicorn

from tests.support.model_endpoint.app import App
from tests.support.model_endpoint.endpoint import Endpoint
from tests.support.model_endpoint.ports import reserve

# A connection that the server closes because nothing came for a while would look like a fault that
# nobody asked for.
_KEEP_ALIVE_SECONDS = 3600
_BACKLOG = 2048


def serve(endpoint: Endpoint, host: str, port: int) -> None:
    """Until it is interrupted. The base URL is printed when calls are taken.

    Args:
        port: 0 for one that the system chooses.
    """
    config = uvicorn.Config(
        App(endpoint),
        lifespan="off",
        access_log=False,
        # A connection that is cut on purpose is an error to the server.
        log_level="critical",
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )
    listener = reserve(host, port)
    listener.listen(_BACKLOG)
    bound_host, bound_port = listener.getsockname()[:2]
    _Server(config, f"http://{bound_host}:{bound_port}/v1").run(sockets=[listener])


def end_with_parent() -> None:
    """End as soon as nobody can write to this process any more: who started it is gone."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, base_url: str) -> None:
        super().__init__(config)
        self._base_url = base_url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        print(self._base_url, flush=True)
