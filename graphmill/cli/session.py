"""What a command works with: settings, the running stack, the application over it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from graphmill.application.basics import Basics
from graphmill.application.graphmill import Graphmill
from graphmill.bootstrap import open_application
from graphmill.cli.console import say
from graphmill.database_connections import COMMAND_CONNECTIONS
from graphmill.embedded.stack import Addresses, Parts, find_running, running_stack
from graphmill.errors import SettingsError, Unavailable
from graphmill.settings import Settings, load_settings
from graphmill.tenancy import acting_for


@dataclass(frozen=True, slots=True)
class BasicSession:
    """For what HTTP has too. `own_stack`: it was started for this command's time and ends with
    it."""

    settings: Settings
    app: Basics
    own_stack: bool

    @property
    def tenant(self) -> str:
        return self.settings.tenant


@dataclass(frozen=True, slots=True)
class Session(BasicSession):
    """Over servers."""

    app: Graphmill
    addresses: Addresses


def settings_for(tenant: str | None) -> Settings:
    """
    Raises:
        SettingsError: a setting is wrong; names it.
    """
    return load_settings({} if tenant is None else {"tenant": tenant})


def find_addresses(settings: Settings, *, temporal: bool) -> Addresses | None:
    """Where the servers are that were set or that run in this home; None where they are not.

    Raises:
        SettingsError: one server is set, and what runs in this home uses another.
    """
    if settings.database_url and settings.temporal_address:
        return Addresses(settings.database_url, settings.temporal_address)
    running = find_running(settings)
    if running is None:
        if settings.database_url and not temporal:
            return Addresses(settings.database_url, None)
        return None
    for name, wanted, used in (
        ("DATABASE_URL", settings.database_url, running.database_url),
        ("TEMPORAL_ADDRESS", settings.temporal_address, running.temporal_address),
    ):
        if wanted and wanted != used:
            raise SettingsError(
                f"{name} is set, but what runs in {settings.home.absolute()} was started without"
                " it and uses another; stop that (Ctrl-C where `graphmill up` runs) or unset"
                f" {name}; to use neither of its servers, set DATABASE_URL and TEMPORAL_ADDRESS"
            )
    return running


@asynccontextmanager
async def open_basics(
    settings: Settings, *, temporal: bool = True, start: Parts | None = None
) -> AsyncGenerator[BasicSession]:
    """The server that GRAPHMILL_URL names, where it does; else as open_session.

    Raises:
        Unavailable: nothing runs, and `start` is None.
    """
    if settings.url is not None:
        # Imported here: commands over servers do without an HTTP client.
        from graphmill.client import Client
        from graphmill.client.remote import RemoteGraphmill

        key = settings.api_key.get_secret_value()
        # A key says itself whose it is; one that was asked for otherwise is refused by the server.
        given = not key or "tenant" in settings.model_fields_set
        tenant = settings.tenant if given else None
        async with Client(settings.url, api_key=key or None, tenant=tenant) as client:
            yield BasicSession(
                settings, RemoteGraphmill.over(client, settings.tenant), own_stack=False
            )
        return
    async with open_session(settings, temporal=temporal, start=start) as session:
        yield BasicSession(settings, session.app, session.own_stack)


@asynccontextmanager
async def open_session(
    settings: Settings, *, temporal: bool = True, start: Parts | None = None
) -> AsyncGenerator[Session]:
    """The application over the servers that are set or run, for the tenant that is set; `start`:
    start these parts if none do.

    `temporal`: whether the command needs Temporal, or PostgreSQL alone.

    Raises:
        SettingsError: GRAPHMILL_URL is set, and no server.
        Unavailable: nothing runs, and `start` is None.
    """
    if settings.url is not None and not settings.database_url:
        raise SettingsError(
            "this command works on the servers themselves, not over GRAPHMILL_URL: set DATABASE_URL"
            " and TEMPORAL_ADDRESS, or unset GRAPHMILL_URL for what runs on this machine"
        )
    addresses = find_addresses(settings, temporal=temporal)
    if addresses is not None:
        async with open_application(settings, addresses, COMMAND_CONNECTIONS) as app:
            with acting_for(settings.tenant):
                yield Session(settings, app, own_stack=False, addresses=addresses)
        return
    if start is None:
        raise nothing_runs(settings)
    async with (
        running_stack(settings, parts=start, on_event=say) as started,
        open_application(settings, started, COMMAND_CONNECTIONS) as app,
    ):
        with acting_for(settings.tenant):
            yield Session(settings, app, own_stack=True, addresses=started)


def nothing_runs(settings: Settings) -> Unavailable:
    return Unavailable(
        f"nothing runs in {settings.home.absolute()}; start it with `graphmill up` (in another"
        " terminal), or set TEMPORAL_ADDRESS and DATABASE_URL to servers that run"
    )
