"""The whole stack on one machine: `up` in the foreground, or for the time of a block."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Flag, auto
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr
from temporalio.client import Client

from graphmill.database_connections import embedded_max_connections
from graphmill.embedded import temporal_binary
from graphmill.embedded.home import Addresses, Home, HomeInUse, HomeLock
from graphmill.embedded.leftovers import end_leftovers
from graphmill.embedded.ports import LOOPBACK, choose_port, choosing_alone
from graphmill.embedded.postgres_server import PostgresServer
from graphmill.embedded.supervisor import Part, PartFailed, Supervisor
from graphmill.embedded.temporal_server import TemporalServer
from graphmill.errors import Unavailable
from graphmill.roles import ON_ONE_MACHINE, Role
from graphmill.search_attributes import ensure_search_attributes
from graphmill.settings import Settings
from graphmill.stores.postgres.connection_room import refuse_what_cannot_fit
from graphmill.stores.postgres.database import migrate

__all__ = [
    "Addresses",
    "HomeInUse",
    "PartFailed",
    "Parts",
    "find_running",
    "running_stack",
    "up",
]

# Longer than workers give what is in flight, so that only a worker that hangs is killed.
_WORKER_STOP_SECONDS = 25.0
# Beyond what it gives requests: its own connections are closed then.
_API_CLOSE_SECONDS = 7.0


class Parts(Flag):
    """What a stack consists of, besides PostgreSQL, which everything needs.

    A server whose address is set is used, not started.
    """

    POSTGRES = 0
    TEMPORAL = auto()
    WORKERS = auto()
    API = auto()
    SERVERS = POSTGRES | TEMPORAL
    RUN = SERVERS | WORKERS
    ALL = RUN | API


def find_running(settings: Settings) -> Addresses | None:
    """Where the stack of this home answers, or None where none runs or it is still starting."""
    return Home.at(settings.home).read_addresses()


async def up(settings: Settings, on_event: Callable[[str], None]) -> None:
    """Run everything in the foreground until Ctrl-C, SIGTERM or SIGHUP; a second one kills.

    on_event gets lines for people. Must run in the main thread.

    Raises:
        HomeInUse: another stack runs in this home.
        Unavailable: a port is taken, or a part cannot be had or keeps dying.
        SettingsError: the home cannot be used.
    """
    stack = _Stack(settings, Home.at(settings.home), on_event, any_port=False)
    serving = asyncio.create_task(_serve(stack))
    signalled = False

    def on_signal() -> None:
        nonlocal signalled
        if signalled:
            on_event("killing everything")
            stack.kill()
        else:
            on_event("stopping (once more to kill)")
            signalled = True
            serving.cancel()

    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, on_signal)
    try:
        await serving
    except asyncio.CancelledError:
        if not signalled:
            raise
        on_event("stopped")
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@asynccontextmanager
async def running_stack(
    settings: Settings,
    parts: Parts = Parts.RUN,
    on_event: Callable[[str], None] = lambda _: None,
) -> AsyncGenerator[Addresses]:
    """A stack for the time of a block, which gets where its parts answer.

    Where a wanted port is taken, any free one is used, and on_event gets a line on that. A part
    that is given up ends the block with PartFailed. Must run in the main task of its event loop.

    Raises:
        HomeInUse: another stack runs in this home (find_running tells where).
        PartFailed: a part does not start or keeps dying.
        Unavailable: a server cannot be had.
        SettingsError: the home cannot be used.
    """
    stack = _Stack(settings, Home.at(settings.home), on_event, any_port=True)
    async with stack.running(parts) as addresses:
        yield addresses


async def _serve(stack: "_Stack") -> None:
    began = time.monotonic()
    async with stack.running(Parts.ALL) as addresses:
        known = (
            ("API", addresses.api_url),
            ("Temporal", addresses.temporal_address),
            ("Web UI", addresses.temporal_ui_url),
        )
        where = ", ".join(f"{name} {address}" for name, address in known if address)
        stack.on_event(f"up after {time.monotonic() - began:.1f} s: {where}. Ctrl-C stops it")
        await asyncio.get_running_loop().create_future()


@dataclass(slots=True)
class _Stack:
    """The pieces of one stack while it starts, runs and stops."""

    settings: Settings
    home: Home
    on_event: Callable[[str], None]
    any_port: bool
    supervisor: Supervisor | None = field(default=None, init=False)

    def kill(self) -> None:
        if self.supervisor is not None:
            self.supervisor.kill()

    @asynccontextmanager
    async def running(self, parts: Parts) -> AsyncGenerator[Addresses]:
        self.home.create()
        with HomeLock(self.home):
            # A killed stack's: with the lock held, others would take its addresses for ours.
            self.home.addresses.unlink(missing_ok=True)
            left = await asyncio.to_thread(end_leftovers, self.home)
            if left:
                self.on_event(f"ended {left} processes that an earlier run left behind")
            postgres = await asyncio.to_thread(self._postgres)
            try:
                async with Supervisor(self.home, self.on_event) as supervisor:
                    self.supervisor = supervisor
                    try:
                        addresses = await self._start(supervisor, parts, postgres)
                        self.home.write_addresses(addresses)
                        async with _ended_by(supervisor):
                            yield addresses
                    finally:
                        self.home.addresses.unlink(missing_ok=True)
                        # Each may still need the next: workers report to Temporal and PostgreSQL.
                        await supervisor.stop(("api", *ON_ONE_MACHINE))
                        await supervisor.stop(("temporal",))
                        await supervisor.stop(("postgres",))
            finally:
                if postgres is not None:
                    postgres.remove_socket_folder()

    def _postgres(self) -> PostgresServer | None:
        if self.settings.database_url:
            return None
        return PostgresServer.of(self.home, embedded_max_connections(self.settings))

    async def _start(
        self, supervisor: Supervisor, parts: Parts, postgres: PostgresServer | None
    ) -> Addresses:
        binary = None
        if Parts.TEMPORAL in parts and not self.settings.temporal_address:
            binary = await temporal_binary.find_or_get(self.home, self.on_event)
        async with choosing_alone():
            return await self._start_on_ports(supervisor, parts, postgres, binary)

    async def _start_on_ports(
        self,
        supervisor: Supervisor,
        parts: Parts,
        postgres: PostgresServer | None,
        binary: Path | None,
    ) -> Addresses:
        temporal = None if binary is None else self._temporal(binary)
        api_port = None
        if Parts.API in parts:
            host = self.settings.api_host
            api_port = self._port(host, self.settings.api_port, "GRAPHMILL_API_PORT")
        addresses = Addresses(
            database_url=postgres.url if postgres else self.settings.database_url or "",
            temporal_address=temporal.address if temporal else self.settings.temporal_address,
            temporal_ui_url=temporal.ui_url if temporal else None,
            api_url=None if api_port is None else _url(self.settings.api_host, api_port),
        )
        await asyncio.gather(
            self._serve_database(supervisor, postgres, addresses),
            self._serve_temporal(supervisor, temporal, addresses),
        )
        environment = _environment(self.settings, self.home, addresses, api_port)
        if Parts.WORKERS in parts:
            workers = [
                _worker(name, roles, environment | self._metrics(number))
                for number, (name, roles) in enumerate(ON_ONE_MACHINE.items())
            ]
            self.on_event(f"starting {', '.join(ON_ONE_MACHINE)}")
            await supervisor.start(*workers)
        if api_port is not None:
            self.on_event("starting the API")
            await supervisor.start(_api(self.settings, api_port, environment))
        return addresses

    def _temporal(self, binary: Path) -> TemporalServer:
        port = self._port(LOOPBACK, self.settings.temporal_port, "GRAPHMILL_TEMPORAL_PORT")
        ui_port = self._port(LOOPBACK, self.settings.temporal_ui_port, "GRAPHMILL_TEMPORAL_UI_PORT")
        return TemporalServer(
            self.home, binary, port, ui_port, namespace=self.settings.temporal_namespace
        )

    async def _serve_database(
        self, supervisor: Supervisor, postgres: PostgresServer | None, addresses: Addresses
    ) -> None:
        if postgres is not None:
            self.on_event("starting PostgreSQL")
            await supervisor.start(postgres.part())
        await migrate(addresses.database_url)
        if postgres is None:
            await refuse_what_cannot_fit(addresses.database_url, self.settings)

    async def _serve_temporal(
        self, supervisor: Supervisor, temporal: TemporalServer | None, addresses: Addresses
    ) -> None:
        if temporal is not None:
            self.on_event(f"starting the Temporal server ({temporal.binary})")
            await supervisor.start(temporal.part())
        if addresses.temporal_address is not None:
            namespace = self.settings.temporal_namespace
            try:
                client = await Client.connect(addresses.temporal_address, namespace=namespace)
            except RuntimeError as error:
                raise Unavailable(
                    f"no Temporal server answers at {addresses.temporal_address}"
                    f" (TEMPORAL_ADDRESS): {error}"
                ) from error
            await ensure_search_attributes(client)

    def _metrics(self, number: int) -> dict[str, str]:
        """A port of its own for each worker."""
        first, host = self.settings.metrics_port, self.settings.metrics_host
        if first is None:
            return {}
        name = "GRAPHMILL_METRICS_PORT"
        return {name: str(self._port(host, first + number, name))}

    def _port(self, host: str, wanted: int, setting: str) -> int:
        port = choose_port(host, wanted, setting, or_any=self.any_port)
        if wanted not in (0, port):
            self.on_event(f"port {wanted} ({setting}) is taken; {port} is used instead")
        return port


@asynccontextmanager
async def _ended_by(supervisor: Supervisor) -> AsyncGenerator[None]:
    """Ends its block with PartFailed when the supervisor gives a part up."""
    body = cast("asyncio.Task[Any]", asyncio.current_task())
    failure = asyncio.create_task(supervisor.failed())

    def end(_: object) -> None:
        if not failure.cancelled():
            body.cancel()

    failure.add_done_callback(end)
    try:
        yield
    except asyncio.CancelledError:
        if not failure.done() or failure.cancelled():
            raise
        body.uncancel()
        failure.result()
    finally:
        failure.remove_done_callback(end)
        failure.cancel()


def _worker(name: str, roles: tuple[Role, ...], environment: Mapping[str, str]) -> Part:
    return Part(
        name=name,
        command=_python("workers", *roles),
        environment=environment,
        stop_seconds=_WORKER_STOP_SECONDS,
    )


def _api(settings: Settings, port: int, environment: Mapping[str, str]) -> Part:
    host = settings.api_host

    async def answers() -> bool:
        try:
            _, writer = await asyncio.open_connection(_reachable(host), port)
        except OSError:
            return False
        writer.close()
        return True

    return Part(
        name="api",
        command=_python("api"),
        environment=environment,
        ready=answers,
        stop_seconds=settings.api_grace_seconds + _API_CLOSE_SECONDS,
    )


def _python(*words: str) -> tuple[str, ...]:
    # -P: a folder called api or workers where the user happens to be is not ours.
    return (sys.executable, "-P", "-m", *words)


def _url(host: str, port: int) -> str:
    name = _reachable(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _reachable(host: str) -> str:
    """Where a server that listens on all addresses is reached from this machine."""
    return {"0.0.0.0": LOOPBACK, "::": "::1", "": LOOPBACK}.get(host, host)


def _environment(
    settings: Settings, home: Home, addresses: Addresses, api_port: int | None
) -> dict[str, str]:
    """Settings as the parts read them, so that those given to us otherwise reach them too."""
    values: dict[str, Any] = {
        str(field.validation_alias): getattr(settings, name)
        for name, field in Settings.model_fields.items()
        if field.validation_alias is not None
    }
    values |= {
        "GRAPHMILL_HOME": home.path,
        "DATABASE_URL": addresses.database_url,
        "TEMPORAL_ADDRESS": addresses.temporal_address,
        "GRAPHMILL_API_PORT": api_port,
    }
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _plain(value: object) -> str:
    # As text a secret is asterisks.
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
