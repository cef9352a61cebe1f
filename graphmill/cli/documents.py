"""`graphmill documents list|show|delete`."""

from datetime import UTC
from typing import Any
from uuid import UUID

from rich.table import Table

from graphmill.application.documents import collection_key, document_to_json, paid_to_json
from graphmill.cli.console import cell, emit_json, say, show_table
from graphmill.cli.progress import model_words
from graphmill.cli.session import open_basics, settings_for
from graphmill.errors import InvalidRequest
from graphmill.ids import document_id
from graphmill.models import DocumentState
from graphmill.names import check_document_name


async def list_documents(
    collection: str, state: str | None, tenant: str | None, *, as_json: bool
) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    only = None if state is None else _state(state)
    table = Table("id", "name", "state", "text units", box=None, header_style="bold")
    table.add_column("why")
    as_lists: list[dict[str, Any]] = []
    async with open_basics(settings, temporal=False) as session:
        async for document in session.app.documents.list_all(key, only):
            if as_json:
                as_lists.append(document_to_json(document))
            else:
                table.add_row(
                    str(document.id),
                    cell(document.name),
                    str(document.state),
                    cell(document.text_units),
                    cell(document.reason),
                )
    if as_json:
        emit_json({"collection": key.name, "documents": as_lists})
    else:
        show_table(table)
    return 0


async def show_document(
    document: str, collection: str, tenant: str | None, *, as_json: bool
) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    async with open_basics(settings, temporal=False) as session:
        shown = await session.app.documents.show(key, _id(document))
        use = await session.app.documents.model_use(key, shown.id)
    if as_json:
        emit_json(document_to_json(shown) | {"model": paid_to_json(use)})
        return 0
    table = Table(show_header=False, box=None, pad_edge=False)
    rows: dict[str, object] = {
        "id": shown.id,
        "name": shown.name,
        "title": shown.title,
        "state": shown.state,
        "reason": shown.reason,
        "format": shown.format,
        "size": f"{shown.size:,} bytes",
        "pages": shown.pages or "",
        "text units": f"{shown.text_units:,}",
        "creation date": shown.creation_date.astimezone(UTC).isoformat(timespec="seconds"),
        "version": shown.version,
        "model": f"{model_words(use)}, over all runs" if use.calls else "",
    }
    for name, value in rows.items():
        if str(value):
            table.add_row(name, cell(value))
    show_table(table)
    return 0


async def delete_documents(
    names: tuple[str, ...], collection: str, tenant: str | None, *, as_json: bool
) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    ids = sorted({_id(name) for name in names})
    async with open_basics(settings) as session:
        run = await session.app.delete_documents(key, ids)
    if as_json:
        emit_json(
            {
                "deleted": [str(id) for id in ids],
                "run_id": run.run_id,
                "workflow_id": run.workflow_id,
                "collection": run.collection,
            }
        )
    else:
        say(
            f"{len(ids):,} document{'' if len(ids) == 1 else 's'} deleted; run {run.run_id} takes"
            f" them out of the graph. Watch it: graphmill status {key.name} --watch"
        )
    return 0


def _id(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        return document_id(check_document_name(given))


def _state(given: str) -> DocumentState:
    try:
        return DocumentState(given)
    except ValueError:
        raise InvalidRequest(
            f"state is {given!r}; expected is one of {', '.join(DocumentState)}"
        ) from None
