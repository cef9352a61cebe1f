"""`graphmill export`: the tables of a collection's graph as files."""

from pathlib import Path

from rich.table import Table

from graphmill.application.documents import collection_key
from graphmill.cli.console import cell, emit_json, say, show_table
from graphmill.cli.session import open_session, settings_for


async def export(
    collection: str, format: str, output: Path, tenant: str | None, *, as_json: bool
) -> int:
    settings = settings_for(tenant)
    key = collection_key(settings.tenant, collection)
    async with open_session(settings, temporal=False) as session:
        rows = await session.app.exports.write(key, format, output)
    if as_json:
        emit_json({"collection": key.name, "format": format, "output": str(output), "rows": rows})
        return 0
    table = Table("table", "rows", box=None, pad_edge=False, header_style="bold")
    for name, count in rows.items():
        table.add_row(cell(name), cell(count))
    show_table(table)
    say(f"written to {output}")
    return 0
