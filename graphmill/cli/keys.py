"""`graphmill keys create|list|revoke`."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.table import Table

from graphmill.api_keys import ApiKey, Scope
from graphmill.application.api_keys import key_to_json
from graphmill.cli.console import cell, emit_json, say, show_table
from graphmill.cli.session import open_session, settings_for


async def create_key(
    name: str, scopes: Sequence[str], days: int | None, tenant: str | None, *, as_json: bool
) -> int:
    lifetime = None if days is None else timedelta(days=days)
    async with open_session(settings_for(tenant), temporal=False) as session:
        key, text = await session.app.keys.create(
            session.tenant, name, tuple(map(Scope, scopes)), lifetime
        )
    if as_json:
        emit_json(key_to_json(key) | {"key": text})
        return 0
    allowed = ", ".join(key.scopes)
    say(f"key {key.id} of tenant {key.tenant} for {key.name}: {allowed}. It is shown this once:")
    print(text)
    return 0


async def list_keys(tenant: str | None, *, as_json: bool) -> int:
    async with open_session(settings_for(tenant), temporal=False) as session:
        keys = await session.app.keys.list(session.tenant)
    if as_json:
        emit_json({"keys": [key_to_json(key) for key in keys]})
        return 0
    table = Table("id", "name", "scopes", box=None, header_style="bold")
    for column in ("created", "last used", "state"):
        table.add_column(column)
    for key in keys:
        table.add_row(
            cell(key.id),
            cell(key.name),
            cell(", ".join(key.scopes)),
            cell(_day(key.created_at)),
            cell(_day(key.last_used_at)),
            cell(_state(key)),
        )
    show_table(table)
    return 0


async def revoke_key(id: str, tenant: str | None, *, as_json: bool) -> int:
    async with open_session(settings_for(tenant), temporal=False) as session:
        key = await session.app.keys.revoke(session.tenant, id)
    if as_json:
        emit_json(key_to_json(key))
    else:
        say(f"key {key.id} ({key.name}) is revoked")
    return 0


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {_day(key.revoked_at)}"
    return "" if key.expires_at is None else f"expires {_day(key.expires_at)}"


def _day(date: datetime | None) -> str:
    return "" if date is None else f"{date:%Y-%m-%d}"
