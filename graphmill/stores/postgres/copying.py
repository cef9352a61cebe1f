"""COPY: the fast way of many rows."""

from collections.abc import AsyncIterable, Iterable, Sequence

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from graphmill.telemetry.spans import call_span
from graphmill.telemetry.statements import statement_span


async def copy_rows(
    connection: "asyncpg.Connection | PoolConnectionProxy[asyncpg.Record]",
    table: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]] | AsyncIterable[Sequence[object]],
) -> None:
    """Into a table, in the transaction that is open."""
    with call_span(*statement_span("postgresql", f"COPY {table}")):
        await connection.copy_records_to_table(table, columns=columns, records=rows)
