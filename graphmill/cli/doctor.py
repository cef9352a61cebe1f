"""`graphmill doctor`: what is wrong and what to do."""

import asyncio
from collections.abc import AsyncIterator

from rich.table import Table
from rich.text import Text
from temporalio.client import Client

from graphmill.application.checks import Check
from graphmill.application.doctor import check_database, check_machine, check_temporal
from graphmill.application.endpoint_check import check_endpoints
from graphmill.application.store_check import check_projected_stores
from graphmill.application.trace_check import check_traces
from graphmill.cli.console import cell, emit_json, show_table
from graphmill.cli.running import ERROR
from graphmill.cli.session import find_addresses, settings_for
from graphmill.embedded.stack import Addresses
from graphmill.errors import SettingsError
from graphmill.settings import Settings

_MARKS = {True: Text("ok", "green"), None: Text("--", "yellow"), False: Text("wrong", "red")}


async def doctor(tenant: str | None, *, as_json: bool) -> int:
    try:
        settings = settings_for(tenant)
    except SettingsError as error:
        # The one thing that keeps it from looking at the rest.
        checks = [Check("settings", False, str(error))]
    else:
        checks = [check async for check in _checks(settings)]
    wrong = [check for check in checks if check.ok is False]
    if as_json:
        emit_json(
            {
                "ok": not wrong,
                "checks": [
                    {"name": check.name, "ok": check.ok is not False, "words": check.words}
                    for check in checks
                ],
            }
        )
    else:
        table = Table(show_header=False, box=None, pad_edge=False)
        for check in checks:
            table.add_row(_MARKS[check.ok], check.name, cell(check.words))
        show_table(table)
    return ERROR if wrong else 0


async def _checks(settings: Settings) -> AsyncIterator[Check]:
    for check in check_machine(settings):
        yield check
    addresses = find_addresses(settings, temporal=False)
    if addresses is None:
        yield Check(
            "stack",
            None,
            f"nothing runs in {settings.home.absolute()}: `graphmill up` starts it;"
            " `graphmill index --wait` starts it for its own time",
        )
        addresses = Addresses(settings.database_url or "", settings.temporal_address)
    if addresses.database_url:
        async for check in check_database(addresses.database_url, settings):
            yield check
    elif addresses.temporal_address:
        yield _unknown("postgresql", "DATABASE_URL", settings)
    async for check in check_projected_stores(settings):
        yield check
    if addresses.temporal_address:
        client = await Client.connect(
            addresses.temporal_address, namespace=settings.temporal_namespace, lazy=True
        )
        async for check in check_temporal(client, addresses.temporal_address):
            yield check
    elif addresses.database_url:
        yield _unknown("temporal", "TEMPORAL_ADDRESS", settings)
    if addresses.api_url:
        yield await _check_api(addresses.api_url)
    async for check in check_endpoints(settings):
        yield check
    async for check in check_traces():
        yield check


def _unknown(server: str, setting: str, settings: Settings) -> Check:
    """Who set the address of one server takes a silence about the other for health."""
    return Check(
        server,
        None,
        f"not looked at: {setting} is not set, and nothing runs in {settings.home.absolute()};"
        " runs need both, so set it too",
    )


async def _check_api(url: str) -> Check:
    import httpx

    try:
        async with asyncio.timeout(5), httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{url}/health")
    except (httpx.HTTPError, TimeoutError) as error:
        return Check("api", False, f"{url} does not answer ({type(error).__name__})")
    return Check("api", answer.is_success, f"{url} answers {answer.status_code}")
