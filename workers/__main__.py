"""`python -m workers ROLE...`: run these roles in one process until SIGTERM, then drain."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack

import uvloop
from temporalio import activity
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError

from graphmill.database_connections import pool_size, uncounted
from graphmill.errors import GraphmillError, SettingsError, Unavailable
from graphmill.leaving import leave
from graphmill.roles import Role
from graphmill.settings import Settings, load_settings
from graphmill.stores.postgres.connection_room import refuse_what_cannot_fit
from graphmill.stores.postgres.database import close_pool, migrate, open_pool
from graphmill.stores.postgres.worker_pools import PostgresPoolStore
from graphmill.telemetry.logs import configure_logs
from graphmill.telemetry.temporal import core_logging, tracing_plugins
from graphmill.telemetry.tracing import tracing
from workers.metrics import SdkMetrics, WorkerMetrics, serving_metrics
from workers.registry import open_workers
from workers.reporting import reporting

# A server that restarts is back within seconds; a worker that starts before it waits for it.
_CONNECT_SECONDS = 60


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="graphmill worker", description="Run one or more roles of graphmill's workers."
    )
    parser.add_argument("roles", nargs="+", choices=[str(role) for role in Role], metavar="ROLE")
    roles = [Role(name) for name in dict.fromkeys(parser.parse_args(arguments).roles)]
    try:
        settings = load_settings()
        configure_logs(settings.log_format, settings.log_level)
        # What its log says of an activity, it says by itself (activities/subjects.py).
        activity.logger.activity_info_on_message = False
        with tracing("graphmill-worker", roles):
            # A tenth less CPU in a worker than asyncio's own loop (docs/decisions/workflows.md).
            uvloop.run(run_workers(settings, roles))
    except GraphmillError as error:
        print(f"graphmill worker: {error}", file=sys.stderr)
        return 2 if isinstance(error, SettingsError) else 1
    return 0


async def run_workers(settings: Settings, roles: Sequence[Role]) -> None:
    """Run workers for these roles until SIGTERM or SIGINT; what is in flight then may end.

    Raises:
        SettingsError: no address of a server is set, or not all processes of the deployment fit
            into PostgreSQL.
        Unavailable: a server does not answer.
    """
    if settings.temporal_address is None or settings.database_url is None:
        raise SettingsError(
            "a worker needs TEMPORAL_ADDRESS and DATABASE_URL (`graphmill up` runs workers itself)"
        )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await _prepare(settings, settings.database_url, roles)
    sdk = None if settings.metrics_port is None else SdkMetrics()
    runtime = sdk.runtime if sdk else Runtime(telemetry=TelemetryConfig(logging=core_logging()))
    client = await _connect(settings, settings.temporal_address, runtime)
    if left_out := uncounted(settings, roles):
        logging.warning(
            "the table [deployment] names no process of role %s: its connections are not counted",
            ", ".join(left_out),
        )
    pool = await open_pool(settings.database_url, pool_size(settings, roles))
    try:
        async with (
            open_workers(client, pool, settings, roles) as opened,
            reporting(PostgresPoolStore(pool), client.identity, opened.pools),
            AsyncExitStack() as stack,
        ):
            if sdk and settings.metrics_port:
                own = WorkerMetrics(opened.pools, pool)
                stack.enter_context(
                    serving_metrics(settings.metrics_host, settings.metrics_port, sdk, own)
                )
            workers = opened.workers
            logging.info("polling as %s", ", ".join(roles))
            running = [asyncio.create_task(worker.run()) for worker in workers]
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait([*running, stopping], return_when=asyncio.FIRST_COMPLETED)
            logging.info("draining")
            await asyncio.gather(*(worker.shutdown() for worker in workers))
            await asyncio.gather(*running)
    finally:
        stop.set()
        await close_pool(pool)


async def _connect(settings: Settings, address: str, runtime: Runtime) -> Client:
    deadline = asyncio.get_running_loop().time() + _CONNECT_SECONDS
    while True:
        try:
            return await Client.connect(
                address,
                namespace=settings.temporal_namespace,
                runtime=runtime,
                plugins=tracing_plugins(),
            )
        except (RPCError, RuntimeError) as error:
            if asyncio.get_running_loop().time() > deadline:
                raise Unavailable(
                    f"Temporal does not answer at {address} ({error}); check TEMPORAL_ADDRESS"
                ) from error
            await asyncio.sleep(0.5)


async def _prepare(settings: Settings, url: str, roles: Sequence[Role]) -> None:
    """Tables, and room for the connections of all."""
    deadline = asyncio.get_running_loop().time() + _CONNECT_SECONDS
    while True:
        try:
            if Role.STORE in roles:  # in a fleet nobody else does
                await migrate(url)
            await refuse_what_cannot_fit(url, settings)
            return
        except Unavailable:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.5)


if __name__ == "__main__":
    leave(main())
