"""`graphmill check`: PostgreSQL beside every other store."""

from typing import Any

from rich.table import Table

from graphmill.application.documents import collection_key
from graphmill.application.projections import CollectionCheck
from graphmill.cli.console import cell, emit_json, say, show_table
from graphmill.cli.running import ERROR
from graphmill.cli.session import open_session, settings_for
from graphmill.projections.checking import StoreCheck
from graphmill.projections.comparing import Fault


async def check(collection: str, tenant: str | None, *, as_json: bool) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    async with open_session(settings, temporal=False) as session:
        checked = await session.app.projections.check(key)
    if as_json:
        emit_json({"collection": key.name, **_to_json(checked)})
    else:
        _show(key.name, checked)
    return 0 if checked.ok else ERROR


def _to_json(checked: CollectionCheck) -> dict[str, Any]:
    return {
        "ok": checked.ok,
        "published": checked.published,
        "dangling": dict(checked.dangling),
        "stores": [
            {
                "store": store.store,
                "ok": store.ok,
                "current": store.current,
                "kinds": [
                    {
                        "kind": str(one.kind),
                        "records": {"postgresql": one.records[0], "store": one.records[1]},
                        "checksums": {"postgresql": one.checksum[0], "store": one.checksum[1]},
                        **{str(fault): one.faults.get(fault, 0) for fault in Fault},
                    }
                    for one in store.kinds
                ],
            }
            for store in checked.stores
        ],
        "unavailable": dict(checked.away),
    }


def _show(name: str, checked: CollectionCheck) -> None:
    if not checked.published:
        say(f"{name} has no graph yet: nothing to compare")
        return
    for words, count in checked.dangling.items():
        say(f"PostgreSQL: {words}: {count:,} point to what is not there")
    if not checked.dangling:
        say("PostgreSQL: nothing points to what is not there")
    for store in checked.stores:
        _show_store(store)
    for store, why in checked.away.items():
        say(f"{store} could not be looked at: {why}")
    if not checked.stores and not checked.away:
        say("no other store is set (NEO4J_URI, QDRANT_URL)")
    elif not all(store.ok for store in checked.stores):
        say(f"`graphmill rebuild {name}` writes again what a store lacks or has otherwise")


def _show_store(store: StoreCheck) -> None:
    table = Table(store.store, "PostgreSQL", "there", box=None, header_style="bold")
    for fault in Fault:
        table.add_column(str(fault))
    for one in store.kinds:
        table.add_row(
            cell(str(one.kind).replace("_", " ")),
            *(f"{count:,}" for count in one.records),
            *(f"{one.faults.get(fault, 0):,}" for fault in Fault),
        )
    show_table(table)
    if not store.current:
        say(f"{store.store} does not hold this graph yet, or is being written")
