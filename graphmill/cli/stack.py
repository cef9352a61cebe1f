"""`graphmill up`, `worker` and `api`: processes that stay."""

import asyncio
import os
import re
import sys
from dataclasses import asdict

from graphmill.cli.console import emit_json, say
from graphmill.cli.session import find_addresses, nothing_runs, settings_for
from graphmill.embedded.stack import Addresses, find_running
from graphmill.embedded.stack import up as run_stack
from graphmill.errors import InvalidRequest
from graphmill.roles import Role
from graphmill.settings import Settings

_POLL_SECONDS = 0.2
# libpq takes passwords in the query too.
_SECRET_OPTION = re.compile(r"(?i)([?&](?:ssl)?password=)[^&#]*")


async def up(tenant: str | None, *, as_json: bool) -> int:
    settings = settings_for(tenant)
    telling = asyncio.create_task(_tell_addresses(settings)) if as_json else None
    try:
        await run_stack(settings, say)
    finally:
        if telling is not None:
            telling.cancel()
    return 0


async def _tell_addresses(settings: Settings) -> None:
    """One JSON document, as soon as everything is up."""
    # Nobody in this process knows when: what is found is what other commands find.
    while (addresses := find_running(settings)) is None:  # noqa: ASYNC110
        await asyncio.sleep(_POLL_SECONDS)
    emit_json(addresses_to_json(addresses))


def addresses_to_json(addresses: Addresses) -> dict[str, str | None]:
    """Where the parts answer; the database's only where it is a socket without a password."""
    return asdict(addresses) | {"database_url": _without_password(addresses.database_url)}


def _without_password(url: str) -> str:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    if parts.password is not None:
        host = parts.netloc.rpartition("@")[2]
        url = parts._replace(netloc=f"{parts.username}:***@{host}").geturl()
    return _SECRET_OPTION.sub(r"\1***", url)


async def worker(roles: tuple[str, ...], tenant: str | None, *, as_json: bool) -> int:
    # Before any server is looked for: what is misspelt is so whether or not one runs.
    known = [str(role) for role in Role]
    if wrong := [role for role in roles if role not in known]:
        raise InvalidRequest(
            f"there is no role {', '.join(map(repr, wrong))}: the roles are {', '.join(known)}"
        )
    return _become("workers", roles, settings_for(tenant), as_json=as_json)


async def api(tenant: str | None, *, as_json: bool) -> int:
    return _become("api", (), settings_for(tenant), as_json=as_json)


def _become(module: str, words: tuple[str, ...], settings: Settings, *, as_json: bool) -> int:
    """Turn this process into a worker or the API, which then gets its signals itself.

    Raises:
        Unavailable: no server is set, and none runs in this home.
    """
    addresses = find_addresses(settings, temporal=True)
    if addresses is None or addresses.temporal_address is None:
        raise nothing_runs(settings)
    os.environ["DATABASE_URL"] = addresses.database_url
    os.environ["TEMPORAL_ADDRESS"] = addresses.temporal_address
    os.environ["GRAPHMILL_TENANT"] = settings.tenant
    if as_json:
        emit_json({"module": module, "roles": list(words)} | addresses_to_json(addresses))
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what it logs from here on
    # -P: a folder called api or workers where the user happens to be is not ours.
    os.execv(sys.executable, (sys.executable, "-P", "-m", module, *words))
