"""Statements that read all of a graph, row by row."""

from collections.abc import AsyncIterator

import asyncpg

_PAGE = 2_000


async def read_whole(
    connection: asyncpg.pool.PoolConnectionProxy, statement: str, *parameters: object
) -> AsyncIterator[asyncpg.Record]:
    """The statement's rows, some thousand at a time; within a transaction."""
    # Of tables that were filled just now the planner knows nothing yet: it takes them for small,
    # and would compare each row with each other one.
    await connection.execute("SET LOCAL enable_nestloop = off")
    cursor = await connection.cursor(statement, *parameters)
    await connection.execute("RESET enable_nestloop")
    while rows := await cursor.fetch(_PAGE):
        for row in rows:
            yield row
