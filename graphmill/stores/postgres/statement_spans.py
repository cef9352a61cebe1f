"""Statements as spans, where something is traced."""

import time

import asyncpg
from asyncpg.connection import LoggedQuery

from graphmill.telemetry.spans import ended_call, is_tracing
from graphmill.telemetry.statements import statement_span

# What each task that takes a connection may say first (graphmill/stores/postgres/database.py).
_OWN = ("SELECT set_config(", "SET ROLE ")


def trace_statements(connection: asyncpg.Connection) -> None:
    """From now on; COPY is no statement to asyncpg, and shows itself (call_span)."""
    if is_tracing():
        connection.add_query_logger(_told)


def _told(query: LoggedQuery) -> None:
    # asyncpg calls this right after a statement, in the context of whoever sent it.
    if not query.query.startswith(_OWN):
        name, attributes = statement_span("postgresql", query.query)
        attributes = {**attributes, "db.namespace": query.conn_params.database}
        if isinstance(query.conn_addr, tuple):  # not the path of a socket
            host, port = query.conn_addr
            attributes |= {"server.address": host, "server.port": port}
        error = None if query.exception is None else type(query.exception).__name__
        ended_call(name, attributes, int(query.elapsed * 1e9), time.time_ns(), error)
