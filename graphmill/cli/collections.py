"""`graphmill collections list|show|delete`."""

import sys
from typing import Any

import typer
from rich.table import Table

from graphmill.application.documents import collection_key, collection_to_json
from graphmill.cli.console import cell, emit_json, say, show_table
from graphmill.cli.running import ERROR
from graphmill.cli.session import open_basics, settings_for
from graphmill.errors import InvalidRequest


async def list_collections(tenant: str | None, *, as_json: bool) -> int:
    table = Table("collection", "documents", "failed", box=None, header_style="bold")
    for column in ("entities", "relationships", "communities"):
        table.add_column(column)
    as_lists: list[dict[str, Any]] = []
    async with open_basics(settings_for(tenant), temporal=False) as session:
        async for found in session.app.collections.list_all(session.tenant):
            as_lists.append(collection_to_json(found))
            table.add_row(
                cell(found.name),
                cell(found.documents["total"]),
                cell(found.documents["failed"]),
                cell(found.entities),
                cell(found.relationships),
                cell(found.communities),
            )
    if as_json:
        emit_json({"collections": as_lists})
    else:
        show_table(table)
    return 0


async def show_collection(collection: str, tenant: str | None, *, as_json: bool) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    async with open_basics(settings, temporal=False) as session:
        found = await session.app.collections.show(key)
    shown = collection_to_json(found)
    if as_json:
        emit_json(shown)
        return 0
    table = Table(show_header=False, box=None, pad_edge=False)
    documents: dict[str, int] = shown.pop("documents")
    shown["documents"] = ", ".join(f"{count:,} {state}" for state, count in documents.items())
    gaps = {"embeddings": found.embeddings, "model_gaps": found.model_gaps}
    for name, value in (shown | gaps).items():
        table.add_row(name.replace("_", " "), cell(value))
        for missing in gaps[name].reasons if name in gaps else ():
            table.add_row("", cell(missing))
    show_table(table)
    return 0


async def delete_collection(
    collection: str, tenant: str | None, *, yes: bool, as_json: bool
) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    async with open_basics(settings) as session:
        found = await session.app.collections.show(key)
        if not yes:
            if not sys.stdin.isatty():
                raise InvalidRequest(
                    f"nobody can be asked here whether {key.name!r} may go; add --yes"
                )
            documents = found.documents["total"]
            question = f"Delete {key.name!r} with its {documents:,} documents and its graph?"
            if not typer.confirm(question, err=True):
                say("nothing was deleted")
                return ERROR
        await session.app.delete_collection(key)
    if as_json:
        emit_json({"deleted": key.name})
    else:
        say(f"collection {key.name!r} is deleted")
    return 0
