"""The application that uvicorn serves."""

import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import metadata

from fastapi import FastAPI
from temporalio.runtime import Runtime, TelemetryConfig

from api import (
    collections,
    documents,
    graphs,
    health,
    limits,
    metrics,
    pools,
    problems,
    runs,
    search,
)
from api.at_once import AtOnce
from api.body_limit import BodyLimit
from api.guard import LoopbackGuard
from api.openapi import GUARDED, DescribedApi
from api.request_ids import RequestIds
from api.request_log import RequestLog
from api.request_spans import trace_requests
from api.run_events import RunEvents
from api.shutdown import CutOff, Shutdown
from api.upkeep import upkeep
from graphmill.bootstrap import open_application
from graphmill.embedded.home import Addresses
from graphmill.settings import Settings, load_settings
from graphmill.telemetry.logs import configure_logs
from graphmill.telemetry.temporal import core_logging
from graphmill.telemetry.tracing import tracing


def create_app(settings: Settings, addresses: Addresses) -> FastAPI:
    """The API over the servers at these addresses; it starts and stays while they are away."""

    shutdown = Shutdown()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        with tracing("graphmill-api"):
            async with open_application(settings, addresses) as application:
                app.state.graphmill = application
                app.state.settings = settings
                app.state.run_events = events = RunEvents(
                    application.runs, settings.api_stream_seconds
                )
                app.state.streams = AtOnce(
                    settings.api_streams, "event streams", "GRAPHMILL_API_STREAMS"
                )
                app.state.uploads = AtOnce(settings.api_uploads, "uploads", "GRAPHMILL_API_UPLOADS")
                with shutdown.telling(events.stop):
                    async with upkeep(application):
                        yield

    app = DescribedApi(
        title="graphmill",
        version=metadata.version("graphmill"),
        summary="Durable GraphRAG indexing: documents in, a knowledge graph and cited answers out.",
        lifespan=lifespan,
        responses=GUARDED,
    )
    app.needs_keys = settings.api_needs_keys
    problems.install(app, app.methods_of)
    app.add_middleware(BodyLimit, seconds=settings.api_body_seconds)
    if not settings.api_needs_keys:
        app.add_middleware(LoopbackGuard)
    app.add_middleware(CutOff, shutdown=shutdown)
    app.add_middleware(RequestLog)
    app.add_middleware(RequestIds)  # the outermost: refusals have one too
    for part in (health, pools, metrics, collections, documents, limits, runs, search, graphs):
        app.include_router(part.router)
    trace_requests(app)
    return app


def from_environment() -> FastAPI:
    """What `python -m api` serves: TEMPORAL_ADDRESS and DATABASE_URL are set (checked there)."""
    # Each process of uvicorn's begins here; its own lines it writes itself.
    settings = load_settings()
    configure_logs(settings.log_format, settings.log_level)
    with contextlib.suppress(RuntimeError):  # used already: several applications in one process
        Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=core_logging())))
    addresses = Addresses(settings.database_url or "", settings.temporal_address)
    return create_app(settings, addresses)
